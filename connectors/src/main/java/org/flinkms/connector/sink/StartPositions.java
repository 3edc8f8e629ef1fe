package org.flinkms.connector.sink;

import org.flinkms.connector.format.FormatException;
import org.flinkms.connector.format.Json;
import org.flinkms.connector.format.Position;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;

import java.io.Serializable;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** The option 'sink.start-positions': where partitions ended when a job first wrote to them. Immutable. */
public final class StartPositions implements Serializable {
    private static final long serialVersionUID = 1L;

    private final HashMap<String, Position> positions = new HashMap<>();

    /** {"p0": [1, 0]}, or by table {"users": {"p0": [1, 0]}}. */
    static StartPositions parse(String json) throws FormatException {
        String origin = "option '" + SinkOptions.START_POSITIONS.key() + "'";
        JsonNode root = Json.parse(json, origin);
        if (!root.isObject()) {
            throw new FormatException(origin + " must be a JSON object, not " + json);
        }
        StartPositions parsed = new StartPositions();
        for (Map.Entry<String, JsonNode> entry : root.properties()) {
            if (entry.getValue().isObject()) {
                for (Map.Entry<String, JsonNode> inner : entry.getValue().properties()) {
                    parsed.positions.put(
                            entry.getKey() + "/" + inner.getKey(), Json.position(inner.getValue(), origin));
                }
            } else {
                parsed.positions.put(entry.getKey(), Json.position(entry.getValue(), origin));
            }
        }
        return parsed;
    }

    /** Every position, by the partition's directory relative to the sink's path. */
    Map<String, Position> byDirectory() {
        Map<String, Position> byDirectory = new TreeMap<>();
        positions.forEach((name, position) -> {
            int table = name.indexOf('/');
            byDirectory.put(PartitionOpener.relative(table < 0 ? null : name.substring(0, table),
                    name.substring(table + 1)), position);
        });
        return byDirectory;
    }

    /** The position of a partition, for example {@code p0}; {@code table} is null but for a table of a model. */
    Optional<Position> of(String table, String partition) {
        return Optional.ofNullable(positions.get(table == null ? partition : table + "/" + partition));
    }
}
