package org.flinkms.connector.sink;

import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.table.data.RowData;

/** Partition number of a row, by the hash of its key column. */
final class RowPartitionSelector implements KeySelector<RowData, Integer> {
    private static final long serialVersionUID = 1L;

    private final int keyField;
    private final boolean textKey;
    private final int partitions;
    private transient Key key;

    RowPartitionSelector(int keyField, boolean textKey, int partitions) {
        this.keyField = keyField;
        this.textKey = textKey;
        this.partitions = partitions;
    }

    @Override
    public Integer getKey(RowData row) {
        if (key == null) {
            key = new Key(textKey);
        }
        key.set(row, keyField);
        return key.partition(partitions);
    }
}
