package org.flinkms.connector.source;

import org.flinkms.connector.format.PartitionReader;
import org.flinkms.connector.table.FrameRows;
import org.flinkms.connector.table.TableLayout;

import org.apache.flink.table.data.RowData;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import javax.annotation.Nullable;

import java.io.IOException;

/** The rows of a log in the order they were written: those of a stream, or the changelog of a keyed table. */
final class LogCursor implements SplitCursor {
    private static final Logger LOG = LoggerFactory.getLogger(LogCursor.class);

    private final PartitionSplit start;
    private final CommittedLog log;
    private final FrameRows rows;

    @Nullable private PartitionReader.Entry entry;
    private int row;

    /** Rows of the next frame that were emitted before the job was restored. */
    private long skip;

    LogCursor(TableLayout layout, PartitionSplit split) {
        this.start = split;
        this.log = CommittedLog.open(layout, split);
        this.rows = new FrameRows(layout);
        this.skip = split.rows();
    }

    @Override
    @Nullable
    public RowData next() throws IOException {
        while (entry == null) {
            PartitionReader.Entry next = log.poll();
            if (next == null) {
                return null;
            }
            if (next.isRewind()) {
                LOG.warn(next.end().compareTo(next.start()) > 0
                                ? "Retention has taken rows of partition {} from {} to {} before they were read."
                                : "Partition {} was cut back from {} to {} after it had been read.",
                        start.splitId(), next.start(), next.end());
                skip = 0;
            } else if (skip < next.frame().rows()) {
                rows.open(next.frame());
                entry = next;
                row = (int) skip;
                skip = 0;
            } else {
                skip = 0;
            }
        }
        RowData next = rows.read(row++);
        if (row == entry.frame().rows()) {
            entry = null;
        }
        return next;
    }

    @Override
    public boolean isFinished() {
        return entry == null && log.isFinished();
    }

    @Override
    public PartitionSplit split() {
        return start.atPlace(
                entry == null ? new LogPlace(log.position(), skip) : new LogPlace(entry.start(), row));
    }

    @Override
    public void close() throws IOException {
        log.close();
    }
}
