package org.flinkms.connector.source;

import org.flinkms.connector.checkpoint.ListStates;
import org.flinkms.connector.checkpoint.StreamPlaces;

import org.apache.flink.core.io.SimpleVersionedSerialization;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.runtime.checkpoint.OperatorState;
import org.apache.flink.runtime.state.memory.ByteStreamStateHandle;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What a checkpoint holds of a scan: its enumerator's state says which table it is of, its readers' where they are. */
public final class SourceStates {
    /** Flink's name for the splits of a source's readers (SourceOperator.SPLITS_STATE_DESC). */
    private static final String SPLITS = "SourceReaderState";

    private SourceStates() {}

    /** Adds the places of an operator, if it is one of our scans. */
    public static void collect(OperatorState operator, StreamPlaces sources) throws IOException {
        EnumeratorState enumerator = enumerator(operator);
        if (enumerator == null) {
            return;
        }
        List<PartitionSplit> splits = new ArrayList<>(enumerator.unassigned());
        for (byte[] split : ListStates.read(operator, SPLITS)) {
            splits.add(SimpleVersionedSerialization.readVersionAndDeSerialize(new PartitionSplitSerializer(), split));
        }
        Map<String, LogPlace> places = new TreeMap<>();
        for (PartitionSplit split : splits) {
            // One that is still in its base has no place in the log yet: whoever takes over starts at its beginning.
            if (split.phase() == PartitionSplit.Phase.LOG) {
                places.put(split.splitId(), new LogPlace(split.position(), split.rows()));
            }
        }
        sources.add(enumerator.table(), places);
    }

    /** The state of a scan's enumerator, null when the operator is no scan of ours. */
    private static EnumeratorState enumerator(OperatorState operator) throws IOException {
        ByteStreamStateHandle coordinator = operator.getCoordinatorState();
        if (coordinator == null) {
            return null;
        }
        // SourceCoordinator.writeCheckpointBytes: the version of this form, the serializer's, a length, its bytes.
        DataInputDeserializer in = new DataInputDeserializer(coordinator.getData());
        if (in.available() < 3 * Integer.BYTES) {
            return null;
        }
        in.readInt();
        int version = in.readInt();
        if (in.readInt() != in.available()) {
            return null;
        }
        byte[] bytes = new byte[in.available()];
        in.readFully(bytes);
        return EnumeratorState.Serializer.isOurs(version, bytes)
                ? new EnumeratorState.Serializer().deserialize(version, bytes)
                : null;
    }
}
