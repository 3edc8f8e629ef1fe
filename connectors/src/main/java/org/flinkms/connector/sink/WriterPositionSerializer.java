package org.flinkms.connector.sink;

import org.flinkms.connector.format.Position;

import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

import java.io.IOException;

/** Bytes of a {@link WriterPosition} in checkpoints. */
final class WriterPositionSerializer implements SimpleVersionedSerializer<WriterPosition> {
    private static final int VERSION = 1;

    @Override
    public int getVersion() {
        return VERSION;
    }

    @Override
    public byte[] serialize(WriterPosition value) throws IOException {
        DataOutputSerializer out = new DataOutputSerializer(64);
        out.writeUTF(value.partition());
        out.writeInt(value.parallelism());
        out.writeInt(value.position().epoch());
        out.writeLong(value.position().offset());
        return out.getCopyOfBuffer();
    }

    @Override
    public WriterPosition deserialize(int version, byte[] serialized) throws IOException {
        if (version != VERSION) {
            throw new IOException("checkpoint holds sink positions of version " + version + "; this is " + VERSION);
        }
        DataInputDeserializer in = new DataInputDeserializer(serialized);
        return new WriterPosition(in.readUTF(), in.readInt(), new Position(in.readInt(), in.readLong()));
    }
}
