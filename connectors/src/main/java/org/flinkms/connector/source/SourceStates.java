package org.flinkms.connector.source;

import org.flinkms.connector.checkpoint.ListStates;

import org.apache.flink.runtime.checkpoint.OperatorState;
import org.apache.flink.runtime.state.memory.ByteStreamStateHandle;

import java.io.DataInputStream;
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

    /** Adds the places of an operator, if it is one of our scans, under the directory of its table. */
    public static void collect(OperatorState operator, Map<String, Map<String, LogPlace>> sources) throws IOException {
        EnumeratorState enumerator = enumerator(operator);
        if (enumerator == null) {
            return;
        }
        List<PartitionSplit> splits = new ArrayList<>(enumerator.unassigned());
        splits.addAll(ListStates.read(operator, SPLITS, new PartitionSplitSerializer()));
        Map<String, LogPlace> places = sources.computeIfAbsent(enumerator.table(), table -> new TreeMap<>());
        for (PartitionSplit split : splits) {
            // One that is still in its base has no place in the log yet: whoever takes over starts at its beginning.
            if (split.phase() == PartitionSplit.Phase.LOG) {
                places.merge(split.splitId(), new LogPlace(split.position(), split.rows()), SourceStates::earlier);
            }
        }
    }

    /** Two scans of one table in one query stand at one place but for rows that one of them is ahead. */
    private static LogPlace earlier(LogPlace one, LogPlace other) {
        int order = one.position().compareTo(other.position());
        return order < 0 || order == 0 && one.rows() <= other.rows() ? one : other;
    }

    /** The state of a scan's enumerator, null when the operator is no scan of ours. */
    private static EnumeratorState enumerator(OperatorState operator) throws IOException {
        ByteStreamStateHandle coordinator = operator.getCoordinatorState();
        if (coordinator == null) {
            return null;
        }
        try (DataInputStream in = new DataInputStream(coordinator.openInputStream())) {
            // SourceCoordinator.writeCheckpointBytes: the version of this form, the serializer's, then its bytes.
            in.readInt();
            int version = in.readInt();
            byte[] bytes = new byte[in.readInt()];
            in.readFully(bytes);
            return EnumeratorState.Serializer.isOurs(version, bytes)
                    ? new EnumeratorState.Serializer().deserialize(version, bytes)
                    : null;
        }
    }
}
