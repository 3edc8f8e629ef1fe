package org.flinkms.connector.sink;

import org.flinkms.connector.format.BlockBuilder;
import org.flinkms.connector.format.BlockReader;
import org.flinkms.connector.format.ColumnType;

import java.util.Collections;
import java.util.List;

/** Keeps nothing of the rows: under 'replace' each record brings its whole row, only its sequence is to be known. */
final class NoRows implements ShardRows {

    @Override
    public List<ColumnType> columns() {
        return Collections.emptyList();
    }

    @Override
    public void addInitial() {}

    @Override
    public void reset(int row) {}

    @Override
    public void load(int row, BlockReader block, int from, int firstColumn) {}

    @Override
    public void write(int row, BlockBuilder block, int firstColumn) {}
}
