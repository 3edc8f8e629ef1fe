package org.flinkms.connector.checkpoint;

import org.flinkms.connector.format.Json;
import org.flinkms.connector.format.Position;
import org.flinkms.connector.sink.WriterStates;
import org.flinkms.connector.source.SourceStates;

import org.apache.flink.runtime.checkpoint.Checkpoints;
import org.apache.flink.runtime.checkpoint.OperatorState;
import org.apache.flink.runtime.checkpoint.metadata.CheckpointMetadata;
import org.apache.flink.runtime.state.CompletedCheckpointStorageLocation;
import org.apache.flink.runtime.state.filesystem.AbstractFsCheckpointStorageAccess;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;

import java.io.DataInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;

/**
 * The positions of the flinkms sources and sinks of a job as of a complete checkpoint or savepoint of it.
 *
 * <p>Both were taken at one moment: what the sinks hold up to their positions comes from exactly the rows that the
 * sources handed on up to theirs. A job with other operators, which Flink could not restore from the checkpoint, can
 * therefore go on from them exactly once.
 */
public final class CheckpointPositions {
    private CheckpointPositions() {}

    /**
     * Reads the checkpoint at {@code uri}, a directory or a metadata file.
     *
     * @return JSON {"sources": {directory of the table: {partition: [epoch, offset, rows]}},
     *     "apart": {directory of the table: {partition: [[epoch, offset, rows] of each scan]}},
     *     "logs": {table of the sink's model, "" for the sink's own: {partition: [epoch, offset]}}}.
     *     "apart" has the partitions that the job reads in several scans which stand at different places: no one place
     *     says what of them was read, and "sources" has the earliest
     */
    public static String read(String uri) throws IOException {
        StreamPlaces sources = new StreamPlaces();
        Map<String, Map<String, Position>> logs = new TreeMap<>();
        for (OperatorState operator : load(uri).getOperatorStates()) {
            SourceStates.collect(operator, sources);
            WriterStates.collect(operator, logs);
        }
        ObjectNode read = Json.object();
        read.set("sources", sources.earliest());
        read.set("apart", sources.apart());
        ObjectNode ends = read.putObject("logs");
        logs.forEach((name, partitions) -> {
            ObjectNode table = ends.putObject(name);
            partitions.forEach((partition, position) -> table.set(partition, Json.position(position)));
        });
        return new String(Json.bytes(read), StandardCharsets.UTF_8);
    }

    private static CheckpointMetadata load(String uri) throws IOException {
        CompletedCheckpointStorageLocation location = AbstractFsCheckpointStorageAccess.resolveCheckpointPointer(uri);
        try (DataInputStream in = new DataInputStream(location.getMetadataHandle().openInputStream())) {
            return Checkpoints.loadCheckpointMetadata(
                    in, CheckpointPositions.class.getClassLoader(), location.getExternalPointer());
        }
    }
}
