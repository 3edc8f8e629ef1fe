package org.flinkms.connector.format;

import java.io.Serializable;
import java.util.Objects;

/**
 * A place in a partition: an epoch and an offset in it.
 *
 * <p>{@link #START} stands before everything: a reader that starts there reads from the first epoch's offset 0.
 */
public final class Position implements Comparable<Position>, Serializable {
    private static final long serialVersionUID = 1L;

    /** Before the first epoch; as the parent of an epoch it means that there is none. */
    public static final Position START = new Position(0, 0);

    private final int epoch;
    private final long offset;

    public Position(int epoch, long offset) {
        if (epoch < 0 || offset < 0) {
            throw new IllegalArgumentException("position [" + epoch + ", " + offset + "] is negative");
        }
        this.epoch = epoch;
        this.offset = offset;
    }

    public int epoch() {
        return epoch;
    }

    /** Frame bytes of the epoch before this position. */
    public long offset() {
        return offset;
    }

    @Override
    public int compareTo(Position other) {
        return epoch != other.epoch ? Integer.compare(epoch, other.epoch) : Long.compare(offset, other.offset);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Position && compareTo((Position) other) == 0;
    }

    @Override
    public int hashCode() {
        return Objects.hash(epoch, offset);
    }

    @Override
    public String toString() {
        return "[" + epoch + ", " + offset + "]";
    }
}
