package org.flinkms.connector.source;

import org.flinkms.connector.table.Base;
import org.flinkms.connector.table.TableLayout;

import org.apache.flink.table.data.RowData;

import javax.annotation.Nullable;

import java.io.IOException;

/**
 * The changelog of a model's table: the rows of its base whose keys are of this partition, then the partition's log.
 *
 * <p>Base and log of one key pass through one reader, so that no update can overtake the row it updates.
 */
final class BaseCursor implements SplitCursor {
    private final TableLayout layout;
    private final PartitionSplit split;
    private final int partition;
    private final int partitions;
    private final Base base;
    private final SplitCursor log;
    private long row;

    BaseCursor(TableLayout layout, PartitionSplit split, int partition, int partitions) throws IOException {
        this.layout = layout;
        this.split = split;
        this.partition = partition;
        this.partitions = partitions;
        this.base = Base.open(layout.path(), split.base());
        this.log = new LogCursor(layout, split.atPlace(new LogPlace(split.position(), 0)));
        this.row = split.rows();
    }

    @Override
    @Nullable
    public RowData next() throws IOException {
        while (row < base.rows()) {
            long candidate = row++;
            if (base.partition(candidate, partitions) == partition) {
                return base.read(candidate, layout.columns());
            }
        }
        return log.next();
    }

    @Override
    public boolean isFinished() {
        return row >= base.rows() && log.isFinished();
    }

    @Override
    public PartitionSplit split() {
        return row < base.rows() ? split.atRow(row) : log.split();
    }

    @Override
    public void close() throws IOException {
        log.close();
    }
}
