package org.flinkms.connector.source;

import java.util.Objects;
import javax.annotation.Nullable;
import org.apache.flink.api.connector.source.SourceSplit;
import org.flinkms.connector.format.Position;

/**
 * One partition of a table, and how far it has been read. Immutable: a reader makes a new one for each checkpoint.
 *
 * <p>A frame may hold millions of rows and a checkpoint must not wait for its end, so the place is a position of the
 * log and a number of rows after it.
 */
public final class PartitionSplit implements SourceSplit {
    /** What {@link #rows} counts; the order of the constants is their serialized form. */
    public enum Phase {
        /** Rows of the base that have been gone through; the log follows. */
        BASE,
        /** Rows of the frame at {@link #position} that have been emitted. */
        LOG,
        /** Rows of the base, then new keys of the log, that have been gone through for the final state. */
        STATE
    }

    private final String partition;
    private final Phase phase;
    @Nullable private final String base;
    private final Position position;
    private final long rows;
    @Nullable private final Position stop;

    PartitionSplit(
            String partition,
            Phase phase,
            @Nullable String base,
            Position position,
            long rows,
            @Nullable Position stop) {
        this.partition = partition;
        this.phase = phase;
        this.base = base;
        this.position = position;
        this.rows = rows;
        this.stop = stop;
    }

    /** A split that is read from its log alone. */
    public static PartitionSplit ofLog(String partition, LogPlace start, @Nullable Position stop) {
        return new PartitionSplit(partition, Phase.LOG, null, start.position(), start.rows(), stop);
    }

    /** Name of the directory under {@code log/}; unique in a table and thus the split's id. */
    @Override
    public String splitId() {
        return partition;
    }

    public Phase phase() {
        return phase;
    }

    /** Name of the base that is read before the log: pinned, because compaction may put another in its place. */
    @Nullable
    public String base() {
        return base;
    }

    /** Where the log is read on: the start of a frame. */
    public Position position() {
        return position;
    }

    /** How far the phase has come; see {@link Phase}. */
    public long rows() {
        return rows;
    }

    /** Where a bounded scan ends; null for an unbounded one. */
    @Nullable
    public Position stop() {
        return stop;
    }

    /** This split with {@code rows} rows of its phase behind it. */
    PartitionSplit atRow(long newRows) {
        return new PartitionSplit(partition, phase, base, position, newRows, stop);
    }

    /** This split at a place of its log. */
    PartitionSplit atPlace(LogPlace place) {
        return ofLog(partition, place, stop);
    }

    @Override
    public boolean equals(Object other) {
        if (!(other instanceof PartitionSplit)) {
            return false;
        }
        PartitionSplit that = (PartitionSplit) other;
        return partition.equals(that.partition)
                && phase == that.phase
                && Objects.equals(base, that.base)
                && position.equals(that.position)
                && rows == that.rows
                && Objects.equals(stop, that.stop);
    }

    @Override
    public int hashCode() {
        return Objects.hash(partition, phase, base, position, rows, stop);
    }

    @Override
    public String toString() {
        return partition + " " + phase + " " + position + " + " + rows + " rows" + (stop == null ? "" : " to " + stop);
    }
}
