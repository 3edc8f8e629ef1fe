package org.flinkms.connector.table;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.flinkms.connector.format.Json;
import org.flinkms.connector.format.Position;

/** Which base a model's table has now, and up to where in each partition's log the base already contains it. */
public final class Manifest {
    public static final String FILE = "manifest.json";

    private final String base;
    private final Map<String, Position> positions;

    private Manifest(String base, Map<String, Position> positions) {
        this.base = base;
        this.positions = positions;
    }

    /** The manifest of the table in {@code directory}; empty when it has none: all of it is in the log. */
    public static Optional<Manifest> read(Path directory) throws IOException {
        Path file = directory.resolve(FILE);
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        JsonNode json = Json.read(file);
        Map<String, Position> positions = new TreeMap<>();
        for (Map.Entry<String, JsonNode> entry : json.path("positions").properties()) {
            positions.put(entry.getKey(), Json.position(entry.getValue(), file.toString()));
        }
        return Optional.of(new Manifest(Json.member(json, "base", file.toString()).asText(), positions));
    }

    /** Name of the base's directory. */
    public String base() {
        return base;
    }

    /** Where the log of a partition goes on after the base. */
    public Position position(String partition) {
        return positions.getOrDefault(partition, Position.START);
    }
}
