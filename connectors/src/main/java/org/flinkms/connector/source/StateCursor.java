package org.flinkms.connector.source;

import org.flinkms.connector.format.PartitionReader;
import org.flinkms.connector.table.Base;
import org.flinkms.connector.table.FrameRows;
import org.flinkms.connector.table.TableLayout;

import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.types.RowKind;

import javax.annotation.Nullable;

import java.io.IOException;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The rows that one partition of a keyed table ends up with: those of the base that the log did not change, those that
 * it changed, and those it added. Changed and added rows are held in memory.
 *
 * <p>The order is the same each time, so that a restored job goes on where it was: base rows by number, then new keys
 * as they first appear in the log.
 */
final class StateCursor implements SplitCursor {
    private final TableLayout layout;
    private final PartitionSplit split;
    private final int partition;
    private final int partitions;
    @Nullable private final Base base;

    /** Last row of every key in the log; null for a deleted one. */
    @Nullable private Map<Object, GenericRowData> changes;

    private Iterator<GenericRowData> added;
    private long row;
    private boolean finished;

    StateCursor(TableLayout layout, PartitionSplit split, int partition, int partitions) throws IOException {
        this.layout = layout;
        this.split = split;
        this.partition = partition;
        this.partitions = partitions;
        this.base = split.base() == null ? null : Base.open(layout.path(), split.base());
    }

    @Override
    @Nullable
    public RowData next() throws IOException {
        if (changes == null) {
            changes = readLog();
            while (row < split.rows() && !finished) {
                step();
            }
        }
        RowData next = null;
        while (next == null && !finished) {
            next = step();
        }
        return next;
    }

    private Map<Object, GenericRowData> readLog() throws IOException {
        Map<Object, GenericRowData> last = new LinkedHashMap<>();
        FrameRows rows = new FrameRows(layout);
        try (CommittedLog log = CommittedLog.open(layout, split)) {
            for (PartitionReader.Entry entry = log.poll(); entry != null; entry = log.poll()) {
                if (entry.isRewind()) {
                    throw new IOException(
                            "partition " + split + " was cut back to " + entry.end() + " during a bounded scan");
                }
                rows.open(entry.frame());
                for (int i = 0; i < entry.frame().rows(); i++) {
                    last.put(rows.key(i), rows.isDelete(i) ? null : rows.read(i));
                }
            }
        }
        return last;
    }

    /** Goes one row on; null when that row is of another partition or deleted, or when there is none. */
    @Nullable
    private RowData step() {
        if (base != null && row < base.rows()) {
            return baseRow(row++);
        }
        if (added == null) {
            added = changes.values().iterator();
        }
        if (!added.hasNext()) {
            finished = true;
            return null;
        }
        row++;
        return inserted(added.next());
    }

    @Nullable
    private RowData baseRow(long number) {
        if (base.partition(number, partitions) != partition) {
            return null;
        }
        Object key = base.key(number);
        return changes.containsKey(key) ? inserted(changes.remove(key)) : base.read(number, layout.columns());
    }

    @Nullable
    private static RowData inserted(@Nullable GenericRowData changed) {
        if (changed != null) {
            changed.setRowKind(RowKind.INSERT);
        }
        return changed;
    }

    @Override
    public boolean isFinished() {
        return finished;
    }

    @Override
    public PartitionSplit split() {
        return split.atRow(Math.max(row, split.rows()));
    }

    @Override
    public void close() {
        changes = null;
    }
}
