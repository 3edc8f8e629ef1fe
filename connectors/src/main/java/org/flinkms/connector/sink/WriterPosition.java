package org.flinkms.connector.sink;

import org.flinkms.connector.format.Position;

/**
 * How far a writer came in one partition: what a checkpoint remembers of it, and what is committed when the
 * checkpoint is complete.
 */
final class WriterPosition {
    private final String partition;
    private final int parallelism;
    private final Position position;

    WriterPosition(String partition, int parallelism, Position position) {
        this.partition = partition;
        this.parallelism = parallelism;
        this.position = position;
    }

    /** Directory of the partition, relative to the sink's path. */
    String partition() {
        return partition;
    }

    /** Subtasks of the sink when this was written. */
    int parallelism() {
        return parallelism;
    }

    Position position() {
        return position;
    }
}
