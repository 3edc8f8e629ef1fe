package org.flinkms.connector.sink;

import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.state.CheckpointListener;
import org.apache.flink.types.Row;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * Passes rows on and fails a given number of times, each time when a checkpoint is complete and more rows have gone by
 * since, so that there is a tail to supersede.
 */
final class FailAfterCheckpoint extends RichMapFunction<Row, Row> implements CheckpointListener {
    private static final long serialVersionUID = 1L;

    /** Failures to come, in all subtasks of this JVM together. */
    static final AtomicInteger REMAINING = new AtomicInteger();

    private final int rowsAfterCheckpoint;
    private boolean checkpointed;
    private int rows;

    FailAfterCheckpoint(int rowsAfterCheckpoint) {
        this.rowsAfterCheckpoint = rowsAfterCheckpoint;
    }

    @Override
    public Row map(Row row) {
        if (checkpointed && ++rows > rowsAfterCheckpoint
                && REMAINING.getAndUpdate(n -> Math.max(0, n - 1)) > 0) {
            throw new IllegalStateException("induced failure");
        }
        return row;
    }

    @Override
    public void notifyCheckpointComplete(long checkpointId) {
        checkpointed = true;
        rows = 0;
    }
}
