package org.flinkms.connector.source;

import java.io.IOException;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.core.memory.DataOutputView;
import org.flinkms.connector.format.Position;

/** Bytes of a {@link PartitionSplit} in checkpoints and on its way to a reader. */
public final class PartitionSplitSerializer implements SimpleVersionedSerializer<PartitionSplit> {
    private static final int VERSION = 1;
    private static final int INITIAL_BYTES = 64;

    @Override
    public int getVersion() {
        return VERSION;
    }

    @Override
    public byte[] serialize(PartitionSplit split) throws IOException {
        DataOutputSerializer out = new DataOutputSerializer(INITIAL_BYTES);
        write(split, out);
        return out.getCopyOfBuffer();
    }

    @Override
    public PartitionSplit deserialize(int version, byte[] bytes) throws IOException {
        requireVersion(version);
        return read(new DataInputDeserializer(bytes));
    }

    static void requireVersion(int version) throws IOException {
        if (version != VERSION) {
            throw new IOException("state of the flinkms source has version " + version + ", this jar reads " + VERSION);
        }
    }

    static void write(PartitionSplit split, DataOutputView out) throws IOException {
        out.writeUTF(split.splitId());
        out.writeByte(split.phase().ordinal());
        out.writeBoolean(split.base() != null);
        if (split.base() != null) {
            out.writeUTF(split.base());
        }
        write(split.position(), out);
        out.writeLong(split.rows());
        out.writeBoolean(split.stop() != null);
        if (split.stop() != null) {
            write(split.stop(), out);
        }
    }

    static PartitionSplit read(DataInputView in) throws IOException {
        String partition = in.readUTF();
        PartitionSplit.Phase phase = PartitionSplit.Phase.values()[in.readByte()];
        String base = in.readBoolean() ? in.readUTF() : null;
        Position position = readPosition(in);
        long rows = in.readLong();
        Position stop = in.readBoolean() ? readPosition(in) : null;
        return new PartitionSplit(partition, phase, base, position, rows, stop);
    }

    private static void write(Position position, DataOutputView out) throws IOException {
        out.writeInt(position.epoch());
        out.writeLong(position.offset());
    }

    private static Position readPosition(DataInputView in) throws IOException {
        return new Position(in.readInt(), in.readLong());
    }
}
