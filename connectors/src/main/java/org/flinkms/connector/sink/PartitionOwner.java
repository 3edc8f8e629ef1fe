package org.flinkms.connector.sink;

import org.apache.flink.api.common.functions.Partitioner;

/** Sends a partition of a keyed table to the one subtask that owns it; {@link PartitionOpener#owned} agrees. */
final class PartitionOwner implements Partitioner<Integer> {
    private static final long serialVersionUID = 1L;

    @Override
    public int partition(Integer partition, int subtasks) {
        return partition % subtasks;
    }
}
