package org.flinkms.connector.json;

import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.util.Collector;

import java.io.IOException;

/** A decoder of lines whose row is one of NULLs when the wrapped decoder gives none; blank lines stay without a row. */
final class WholeJsonDecoder implements DeserializationSchema<RowData> {
    private static final long serialVersionUID = 1L;

    private final DeserializationSchema<RowData> wrapped;
    private final int arity;

    private transient Counting counting;

    WholeJsonDecoder(DeserializationSchema<RowData> wrapped, int arity) {
        this.wrapped = wrapped;
        this.arity = arity;
    }

    @Override
    public void open(InitializationContext context) throws Exception {
        wrapped.open(context);
    }

    @Override
    public RowData deserialize(byte[] line) throws IOException {
        RowData row = wrapped.deserialize(line);
        return row == null && !isBlank(line) ? new GenericRowData(arity) : row;
    }

    @Override
    public void deserialize(byte[] line, Collector<RowData> out) throws IOException {
        if (counting == null) {
            counting = new Counting();
        }
        counting.out = out;
        counting.rows = 0;
        wrapped.deserialize(line, counting);
        if (counting.rows == 0 && !isBlank(line)) {
            out.collect(new GenericRowData(arity));
        }
    }

    @Override
    public boolean isEndOfStream(RowData row) {
        return wrapped.isEndOfStream(row);
    }

    @Override
    public TypeInformation<RowData> getProducedType() {
        return wrapped.getProducedType();
    }

    private static boolean isBlank(byte[] line) {
        if (line != null) {
            for (byte character : line) {
                if (character != ' ' && character != '\t' && character != '\r' && character != '\n') {
                    return false;
                }
            }
        }
        return true;
    }

    private static final class Counting implements Collector<RowData> {
        private Collector<RowData> out;
        private int rows;

        @Override
        public void collect(RowData row) {
            // What it could not finish, the wrapped decoder may hand on as null.
            if (row != null) {
                rows++;
                out.collect(row);
            }
        }

        @Override
        public void close() {
            out.close();
        }
    }
}
