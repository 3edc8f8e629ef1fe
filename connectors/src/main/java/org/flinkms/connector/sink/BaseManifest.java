package org.flinkms.connector.sink;

import org.flinkms.connector.format.DurableFiles;
import org.flinkms.connector.format.Json;
import org.flinkms.connector.format.Position;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;

import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** A table's {@code manifest.json}: its current base and the log positions that the base already contains. */
final class BaseManifest {
    static final String FILE = "manifest.json";

    private final Path base;
    private final JsonNode positions;
    private final String origin;

    private BaseManifest(Path base, JsonNode positions, String origin) {
        this.base = base;
        this.positions = positions;
        this.origin = origin;
    }

    /** The manifest of a table's directory; a table without one has no base. */
    static BaseManifest read(Path table) throws IOException {
        Path file = table.resolve(FILE);
        try {
            JsonNode json = Json.read(file);
            String base = Json.member(json, "base", file.toString()).asText();
            return new BaseManifest(table.resolve(base), json.path("positions"), file.toString());
        } catch (NoSuchFileException e) {
            return new BaseManifest(null, Json.object(), file.toString());
        }
    }

    /** Makes {@code base} the base of a table that has no log yet. */
    static void write(Path table, String base) throws IOException {
        ObjectNode json = Json.object().put("format", 1).put("base", base);
        json.putObject("positions");
        DurableFiles.replace(table.resolve(FILE), Json.bytes(json));
    }

    /** Directory of the base, or null when there is none. */
    Path base() {
        return base;
    }

    /** Up to where the base contains the log of a partition. */
    Position position(int partition) throws IOException {
        JsonNode position = positions.get("p" + partition);
        return position == null ? Position.START : Json.position(position, origin);
    }
}
