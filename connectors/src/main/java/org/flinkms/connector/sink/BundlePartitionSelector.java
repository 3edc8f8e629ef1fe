package org.flinkms.connector.sink;

import org.flinkms.connector.format.Bundle;
import org.flinkms.connector.format.ModelSchema;

import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.table.data.RowData;

import java.io.IOException;

/** Partition number of a bundle that {@link BundleSplitter} made: that of its first key, as of all others. */
final class BundlePartitionSelector implements KeySelector<RowData, Integer> {
    private static final long serialVersionUID = 1L;

    private final ModelSchema model;

    BundlePartitionSelector(ModelSchema model) {
        this.model = model;
    }

    @Override
    public Integer getKey(RowData row) throws IOException {
        Bundle.Entry first = Bundle.decode(row.getBinary(0)).entries().get(0);
        Key key = new Key(PushBlock.table(first, model).isTextKey());
        key.set(first.block(), PushBlock.KEY, 0);
        return key.partition(model.partitions());
    }
}
