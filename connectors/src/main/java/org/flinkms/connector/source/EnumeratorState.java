package org.flinkms.connector.source;

import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * What the enumerator must remember: which partitions it has made splits of, and the splits no reader has yet; and of
 * which table, so that a checkpoint can be read without the job.
 *
 * <p>That the first discovery is over is part of it: a partition found later started after the job did, so it is read
 * from its beginning whatever the startup mode says.
 */
public final class EnumeratorState {
    private final String table;
    private final boolean discovered;
    private final Set<String> known;
    private final List<PartitionSplit> unassigned;

    EnumeratorState(
            String table, boolean discovered, Collection<String> known, Collection<PartitionSplit> unassigned) {
        this.table = table;
        this.discovered = discovered;
        this.known = Collections.unmodifiableSet(new TreeSet<>(known));
        this.unassigned = Collections.unmodifiableList(new ArrayList<>(unassigned));
    }

    /** Of a job that is not restored. */
    static EnumeratorState initial() {
        return new EnumeratorState("", false, Collections.emptySet(), Collections.emptyList());
    }

    /** Directory of the table; empty in a state that was written before it was part of it. */
    String table() {
        return table;
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
        private static final int VERSION = 2;

        /** States without a mark and a table. */
        private static final int VERSION_WITHOUT_TABLE = 1;

        /** "FSMS": tells the state from that of another connector's source. */
        private static final int MARK = 0x46534D53;

        @Override
        public int getVersion() {
            return VERSION;
        }

        /** Whether bytes of a source's enumerator are of one of ours, and say of which table. */
        static boolean isOurs(int version, byte[] bytes) throws IOException {
            return version == VERSION && bytes.length >= Integer.BYTES && new DataInputDeserializer(bytes).readInt() == MARK;
        }

        @Override
        public byte[] serialize(EnumeratorState state) throws IOException {
            DataOutputSerializer out = new DataOutputSerializer(INITIAL_BYTES);
            out.writeInt(MARK);
            out.writeUTF(state.table);
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
            DataInputDeserializer in = new DataInputDeserializer(bytes);
            String table = "";
            if (version == VERSION && in.readInt() == MARK) {
                table = in.readUTF();
            } else if (version != VERSION_WITHOUT_TABLE) {
                throw new IOException("state of the flinkms source has version " + version + ", this jar reads " + VERSION);
            }
            boolean discovered = in.readBoolean();
            List<String> known = new ArrayList<>();
            for (int i = in.readInt(); i > 0; i--) {
                known.add(in.readUTF());
            }
            List<PartitionSplit> unassigned = new ArrayList<>();
            for (int i = in.readInt(); i > 0; i--) {
                unassigned.add(PartitionSplitSerializer.read(in));
            }
            return new EnumeratorState(table, discovered, known, unassigned);
        }
    }
}
