package org.flinkms.connector.format;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonProcessingException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** The only place that knows the JSON parser, which is the one bundled with Flink. */
public final class Json {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private Json() {}

    /** The JSON value of a file. Throws {@link FormatException} that names the file when it is not JSON. */
    public static JsonNode read(Path file) throws IOException {
        return parse(new String(Files.readAllBytes(file), StandardCharsets.UTF_8), file.toString());
    }

    /** The JSON value of a text; {@code origin} is what an error calls it. */
    public static JsonNode parse(String text, String origin) throws FormatException {
        try {
            return MAPPER.readTree(text);
        } catch (JsonProcessingException e) {
            throw new FormatException(origin + " is not valid JSON: " + e.getOriginalMessage());
        }
    }

    /** A required member of an object. Throws {@link FormatException} that names {@code origin}. */
    public static JsonNode member(JsonNode object, String name, String origin) throws FormatException {
        JsonNode value = object.get(name);
        if (value == null || value.isNull()) {
            throw new FormatException(origin + " has no \"" + name + "\"");
        }
        return value;
    }

    public static ObjectNode object() {
        return MAPPER.createObjectNode();
    }

    public static byte[] bytes(JsonNode value) throws IOException {
        return MAPPER.writeValueAsBytes(value);
    }

    /** A position written as {@code [epoch, offset]}. */
    public static Position position(JsonNode value, String origin) throws FormatException {
        boolean whole = value.isArray() && value.size() == 2
                && value.get(0).canConvertToInt() && value.get(1).canConvertToLong()
                && value.get(0).asInt() >= 0 && value.get(1).asLong() >= 0;
        if (!whole) {
            throw new FormatException(origin + ": " + value + " is not a position [epoch, offset]");
        }
        return new Position(value.get(0).asInt(), value.get(1).asLong());
    }

    public static ArrayNode position(Position position) {
        return MAPPER.createArrayNode().add(position.epoch()).add(position.offset());
    }
}
