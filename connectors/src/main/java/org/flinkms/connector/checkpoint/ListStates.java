package org.flinkms.connector.checkpoint;

import org.apache.flink.api.common.ExecutionConfig;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeutils.base.array.BytePrimitiveArraySerializer;
import org.apache.flink.core.fs.CloseableRegistry;
import org.apache.flink.runtime.checkpoint.OperatorState;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.state.DefaultOperatorStateBackend;
import org.apache.flink.runtime.state.DefaultOperatorStateBackendBuilder;
import org.apache.flink.runtime.state.OperatorStateHandle;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * Reads the list states that Flink keeps for sources and sinks, by Flink's own restore: so whether they are compressed,
 * or many in one file, is nothing to know here.
 */
public final class ListStates {
    private ListStates() {}

    /**
     * The elements of list state {@code name} in all subtasks of an operator; none when it has no such state. Each is as
     * SimpleVersionedSerialization writes it: the version of a serializer, a length, and what that wrote.
     */
    public static List<byte[]> read(OperatorState operator, String name) throws IOException {
        List<byte[]> elements = new ArrayList<>();
        for (OperatorSubtaskState subtask : operator.getStates()) {
            for (OperatorStateHandle handle : subtask.getManagedOperatorState()) {
                if (handle.getStateNameToPartitionOffsets().containsKey(name)) {
                    read(handle, name, elements);
                }
            }
        }
        return elements;
    }

    private static void read(OperatorStateHandle handle, String name, List<byte[]> elements) throws IOException {
        try (CloseableRegistry streams = new CloseableRegistry()) {
            DefaultOperatorStateBackend backend = new DefaultOperatorStateBackendBuilder(
                    ListStates.class.getClassLoader(), new ExecutionConfig(), false,
                    Collections.singletonList(handle), streams).build();
            try {
                backend.getListState(new ListStateDescriptor<>(name, BytePrimitiveArraySerializer.INSTANCE))
                        .get().forEach(elements::add);
            } finally {
                backend.dispose();
            }
        } catch (IOException | RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IOException("state \"" + name + "\" of a checkpoint cannot be read", e);
        }
    }
}
