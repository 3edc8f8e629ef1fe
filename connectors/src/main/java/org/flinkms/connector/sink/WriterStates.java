package org.flinkms.connector.sink;

import org.flinkms.connector.checkpoint.ListStates;
import org.flinkms.connector.format.FormatException;
import org.flinkms.connector.format.Position;

import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.runtime.checkpoint.OperatorState;

import java.io.IOException;
import java.util.Map;
import java.util.TreeMap;

/** What a checkpoint holds of a sink that writes a log: where its writers stood. */
public final class WriterStates {
    /** Flink's name for the states of a sink's writers (StatefulSinkWriterStateHandler.WRITER_RAW_STATES_DESC). */
    private static final String STATES = "writer_raw_states";

    private static final String LOG = "log/";

    private WriterStates() {}

    /** Adds the positions of an operator, if it is one of our writers, under their table ("" for the sink's own). */
    public static void collect(OperatorState operator, Map<String, Map<String, Position>> logs) throws IOException {
        for (byte[] element : ListStates.read(operator, STATES)) {
            DataInputDeserializer in = new DataInputDeserializer(element);
            int version = in.readInt();
            byte[] bytes = new byte[in.readInt()];
            in.readFully(bytes);
            if (WriterPositionSerializer.isOurs(version, bytes)) {
                add(new WriterPositionSerializer().deserialize(version, bytes), logs);
            }
        }
    }

    private static void add(WriterPosition state, Map<String, Map<String, Position>> logs) throws IOException {
        String partition = state.partition();
        int name = partition.lastIndexOf(LOG);
        String table = name == 0 ? "" : partition.substring(0, name - 1);
        Position other = logs.computeIfAbsent(table, key -> new TreeMap<>())
                .putIfAbsent(partition.substring(name + LOG.length()), state.position());
        if (other != null) {
            throw new FormatException("two flinkms sinks of the job write a partition " + partition
                    + ": which of them stood at " + other + " and which at " + state.position() + " cannot be told");
        }
    }
}
