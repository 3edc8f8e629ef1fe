package org.flinkms.connector.source;

import org.apache.flink.table.data.RowData;

import javax.annotation.Nullable;

import java.io.Closeable;
import java.io.IOException;

/** Goes through the rows of one split. Never blocks for rows that are not there yet. */
interface SplitCursor extends Closeable {
    /** The next row, or null when there is none now. */
    @Nullable
    RowData next() throws IOException;

    /** Whether a bounded split has no more rows. */
    boolean isFinished();

    /** The split as of after the last row. */
    PartitionSplit split();
}
