package org.flinkms.connector.sink;

import org.flinkms.connector.format.BlockBuilder;
import org.flinkms.connector.format.Frame;
import org.flinkms.connector.format.PartitionWriter;
import org.flinkms.connector.format.RowWriter;
import org.flinkms.connector.format.TableSchema;

import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.table.data.RowData;

import java.io.IOException;
import java.util.stream.IntStream;

/** Writes the rows of one subtask of an {@link AppendSink}, in the order in which they come. */
final class AppendWriter extends LogWriter {
    private final PartitionWriter log;
    private final RowWriter rows;
    private final BlockBuilder block;

    AppendWriter(SinkConfig config, WriterInitContext context, PartitionOpener opener, TableSchema schema)
            throws IOException {
        super(config, context);
        String name = config.writer() + "-" + opener.subtask();
        rows = new RowWriter(schema.types(), IntStream.range(0, schema.types().size()).toArray(), 0);
        block = new BlockBuilder(RowWriter.columnTypes(schema.types()));
        log = opener.open(null, name, opener.subtask());
        register(PartitionOpener.relative(null, name), log);
    }

    @Override
    int add(RowData row, long eventTimeMicros) throws IOException {
        rows.write(row, block);
        if (block.bytes() >= FRAME_BYTES_TARGET) {
            writePending();
        }
        return 1;
    }

    @Override
    void writePending() throws IOException {
        appendFrame(log, Frame.APPEND, block);
    }
}
