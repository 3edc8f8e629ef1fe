package org.flinkms.connector.sink;

import org.flinkms.connector.format.Position;

import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

import java.io.IOException;

/** Bytes of a {@link WriterPosition} in checkpoints. */
final class WriterPositionSerializer implements SimpleVersionedSerializer<WriterPosition> {
    private static final int VERSION = 2;

    /** States without a mark. */
    private static final int VERSION_WITHOUT_MARK = 1;

    /** "FSMW": tells the state from that of another connector's sink. */
    private static final int MARK = 0x46534D57;

    /** Whether bytes of a sink's writer are of one of ours. */
    static boolean isOurs(int version, byte[] bytes) throws IOException {
        DataInputDeserializer in = new DataInputDeserializer(bytes);
        if (version == VERSION) {
            return bytes.length >= Integer.BYTES && in.readInt() == MARK;
        }
        return version == VERSION_WITHOUT_MARK && hasForm(in);
    }

    /** Whether bytes are a name of a partition of a log and the numbers that follow it, to the last byte. */
    private static boolean hasForm(DataInputDeserializer in) {
        try {
            String partition = in.readUTF();
            return in.available() == 2 * Integer.BYTES + Long.BYTES && partition.matches("(.+/)?log/[^/]+");
        } catch (IOException e) {
            return false;
        }
    }

    @Override
    public int getVersion() {
        return VERSION;
    }

    @Override
    public byte[] serialize(WriterPosition value) throws IOException {
        DataOutputSerializer out = new DataOutputSerializer(64);
        out.writeInt(MARK);
        out.writeUTF(value.partition());
        out.writeInt(value.parallelism());
        out.writeInt(value.position().epoch());
        out.writeLong(value.position().offset());
        return out.getCopyOfBuffer();
    }

    @Override
    public WriterPosition deserialize(int version, byte[] serialized) throws IOException {
        if (!isOurs(version, serialized)) {
            throw new IOException("checkpoint holds sink positions of version " + version + "; this is " + VERSION);
        }
        DataInputDeserializer in = new DataInputDeserializer(serialized);
        if (version == VERSION) {
            in.readInt();
        }
        return new WriterPosition(in.readUTF(), in.readInt(), new Position(in.readInt(), in.readLong()));
    }
}
