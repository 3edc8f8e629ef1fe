package org.flinkms.connector.sink;

import org.flinkms.connector.format.BlockBuilder;
import org.flinkms.connector.format.BlockReader;
import org.flinkms.connector.format.ColumnType;
import org.flinkms.connector.table.Base;

import java.util.List;

/** What a shard keeps of its rows besides key, sequence and event time; rows are numbered as in its index. */
interface ShardRows {
    /** Columns that hold a row in a block. */
    List<ColumnType> columns();

    /** Adds a row that is as a row nobody has written. */
    void addInitial();

    /** Makes a row as if nobody had written it. */
    void reset(int row);

    /** Takes the absolute row {@code from} of a block whose columns begin at {@code firstColumn}. */
    void load(int row, BlockReader block, int from, int firstColumn);

    /** Takes the row {@code from} of a base; only tables of models have one. */
    default void load(int row, Base base, long from) {
        throw new IllegalStateException("only a table of a model has a base");
    }

    /** Puts a row into the columns of a block from {@code firstColumn} on. */
    void write(int row, BlockBuilder block, int firstColumn);
}
