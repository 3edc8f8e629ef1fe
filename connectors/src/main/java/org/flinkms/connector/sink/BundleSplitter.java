package org.flinkms.connector.sink;

import org.flinkms.connector.format.BlockBuilder;
import org.flinkms.connector.format.BlockReader;
import org.flinkms.connector.format.Bundle;
import org.flinkms.connector.format.ModelSchema;

import org.apache.flink.api.common.functions.FlatMapFunction;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.util.Collector;

import java.io.IOException;

/** Splits a push bundle into one for each partition that it has keys of. */
final class BundleSplitter implements FlatMapFunction<RowData, RowData> {
    private static final long serialVersionUID = 1L;

    private final ModelSchema model;

    BundleSplitter(ModelSchema model) {
        this.model = model;
    }

    @Override
    public void flatMap(RowData row, Collector<RowData> out) throws IOException {
        if (row.isNullAt(0)) {
            return;
        }
        Bundle[] parts = new Bundle[model.partitions()];
        for (Bundle.Entry entry : Bundle.decode(row.getBinary(0)).entries()) {
            if (!entry.isJson()) {
                split(entry, parts);
            }
        }
        for (Bundle part : parts) {
            if (part != null) {
                out.collect(GenericRowData.of(part.encode()));
            }
        }
    }

    private void split(Bundle.Entry entry, Bundle[] parts) throws IOException {
        ModelSchema.Table table = PushBlock.table(entry, model);
        BlockReader block = PushBlock.read(entry, table);
        BlockBuilder[] builders = new BlockBuilder[parts.length];
        Key key = new Key(table.isTextKey());
        float[] delta = new float[table.width()];
        for (int i = 0; i < block.rows(); i++) {
            key.set(block, PushBlock.KEY, i);
            int partition = key.partition(parts.length);
            if (builders[partition] == null) {
                builders[partition] = new BlockBuilder(PushBlock.columns(table));
            }
            BlockBuilder target = builders[partition];
            if (table.isTextKey()) {
                target.column(PushBlock.KEY).putBytes(key.bytes());
            } else {
                target.column(PushBlock.KEY).putLong(key.number());
            }
            target.column(PushBlock.COUNT).putInt(block.getInt(PushBlock.COUNT, i));
            block.getVector(PushBlock.DELTA, i, delta, 0);
            target.column(PushBlock.DELTA).putVector(delta, 0);
        }
        for (int partition = 0; partition < parts.length; partition++) {
            if (builders[partition] != null) {
                parts[partition] = parts[partition] == null ? new Bundle() : parts[partition];
                parts[partition].addBlock(entry.tag(), builders[partition].build());
            }
        }
    }
}
