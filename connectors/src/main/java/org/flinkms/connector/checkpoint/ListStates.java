package org.flinkms.connector.checkpoint;

import org.apache.flink.core.fs.FSDataInputStream;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputViewStreamWrapper;
import org.apache.flink.runtime.checkpoint.OperatorState;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.state.OperatorStateHandle;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads the list states that Flink keeps for sources and sinks: each element is a byte array (its length, then the
 * bytes), and those are the version of a serializer, a length, and what it wrote.
 */
public final class ListStates {
    private ListStates() {}

    /** The elements of list state {@code name} in all subtasks of an operator; none when it has no such state. */
    public static <T> List<T> read(OperatorState operator, String name, SimpleVersionedSerializer<T> serializer)
            throws IOException {
        List<T> elements = new ArrayList<>();
        for (OperatorSubtaskState subtask : operator.getStates()) {
            for (OperatorStateHandle handle : subtask.getManagedOperatorState()) {
                OperatorStateHandle.StateMetaInfo info = handle.getStateNameToPartitionOffsets().get(name);
                if (info != null) {
                    read(handle, info.getOffsets(), serializer, elements);
                }
            }
        }
        return elements;
    }

    private static <T> void read(
            OperatorStateHandle handle, long[] offsets, SimpleVersionedSerializer<T> serializer, List<T> elements)
            throws IOException {
        try (FSDataInputStream stream = handle.openInputStream()) {
            DataInputViewStreamWrapper in = new DataInputViewStreamWrapper(stream);
            for (long offset : offsets) {
                stream.seek(offset);
                in.readInt();
                int version = in.readInt();
                byte[] bytes = new byte[in.readInt()];
                in.readFully(bytes);
                elements.add(serializer.deserialize(version, bytes));
            }
        }
    }
}
