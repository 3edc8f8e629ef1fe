package org.flinkms.connector.source;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/**
 * What the enumerator must remember: which partitions it has made splits of, and the splits no reader has yet.
 *
 * <p>That the first discovery is over is part of it: a partition found later started after the job did, so it is read
 * from its beginning whatever the startup mode says.
 */
public final class EnumeratorState {
    private final boolean discovered;
    private final Set<String> known;
    private final List<PartitionSplit> unassigned;

    EnumeratorState(boolean discovered, Collection<String> known, Collection<PartitionSplit> unassigned) {
        this.discovered = discovered;
        this.known = Collections.unmodifiableSet(new TreeSet<>(known));
        this.unassigned = Collections.unmodifiableList(new ArrayList<>(unassigned));
    }

    /** Of a job that is not restored. */
    static EnumeratorState initial() {
        return new EnumeratorState(false, Collections.emptySet(), Collections.emptyList());
    }

    boolean discovered() {
        return discovered;
    }

    Set<String> known() {
        return known;
    }

    List<PartitionSplit> unassigned() {
        return unassigned;
    }

    /** Bytes of the state in a checkpoint. */
    static final class Serializer implements SimpleVersionedSerializer<EnumeratorState> {
        private static final int INITIAL_BYTES = 256;

        @Override
        public int getVersion() {
            return new PartitionSplitSerializer().getVersion();
        }

        @Override
        public byte[] serialize(EnumeratorState state) throws IOException {
            DataOutputSerializer out = new DataOutputSerializer(INITIAL_BYTES);
            out.writeBoolean(state.discovered);
            out.writeInt(state.known.size());
            for (String partition : state.known) {
                out.writeUTF(partition);
            }
            out.writeInt(state.unassigned.size());
            for (PartitionSplit split : state.unassigned) {
                PartitionSplitSerializer.write(split, out);
            }
            return out.getCopyOfBuffer();
        }

        @Override
        public EnumeratorState deserialize(int version, byte[] bytes) throws IOException {
            PartitionSplitSerializer.requireVersion(version);
            DataInputDeserializer in = new DataInputDeserializer(bytes);
            boolean discovered = in.readBoolean();
            List<String> known = new ArrayList<>();
            for (int i = in.readInt(); i > 0; i--) {
                known.add(in.readUTF());
            }
            List<PartitionSplit> unassigned = new ArrayList<>();
            for (int i = in.readInt(); i > 0; i--) {
                unassigned.add(PartitionSplitSerializer.read(in));
            }
            return new EnumeratorState(discovered, known, unassigned);
        }
    }
}
