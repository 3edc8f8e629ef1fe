package org.flinkms.connector.sink;

import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** The names of the tables whose base is written and synced under dot-names and is to be made visible. */
final class BaseCommittable {
    private final List<String> tables;

    BaseCommittable(List<String> tables) {
        this.tables = Collections.unmodifiableList(new ArrayList<>(tables));
    }

    List<String> tables() {
        return tables;
    }

    /** Bytes of a committable on its way from the writer to the committer. */
    static final class Serializer implements SimpleVersionedSerializer<BaseCommittable> {
        private static final int VERSION = 1;

        @Override
        public int getVersion() {
            return VERSION;
        }

        @Override
        public byte[] serialize(BaseCommittable value) throws IOException {
            DataOutputSerializer out = new DataOutputSerializer(64);
            out.writeInt(value.tables.size());
            for (String table : value.tables) {
                out.writeUTF(table);
            }
            return out.getCopyOfBuffer();
        }

        @Override
        public BaseCommittable deserialize(int version, byte[] serialized) throws IOException {
            DataInputDeserializer in = new DataInputDeserializer(serialized);
            List<String> tables = new ArrayList<>();
            for (int i = in.readInt(); i > 0; i--) {
                tables.add(in.readUTF());
            }
            return new BaseCommittable(tables);
        }
    }
}
