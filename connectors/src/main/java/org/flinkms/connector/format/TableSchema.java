package org.flinkms.connector.format;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.utils.LogicalTypeParser;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;

/** Columns of a stream ({@code stream.json}) or a keyed table ({@code table.json}), as its directory records them. */
public final class TableSchema {
    public static final String STREAM_FILE = "stream.json";
    public static final String TABLE_FILE = "table.json";

    private final List<String> names;
    private final List<LogicalType> types;
    private final String key;
    private final int partitions;

    /** {@code key} is the name of the key column, or null for a stream, which has no fixed partitions either. */
    public TableSchema(List<String> names, List<LogicalType> types, String key, int partitions) {
        this.names = Collections.unmodifiableList(new ArrayList<>(names));
        this.types = Collections.unmodifiableList(new ArrayList<>(types));
        this.key = key;
        this.partitions = partitions;
    }

    public List<String> names() {
        return names;
    }

    public List<LogicalType> types() {
        return types;
    }

    /** Name of the key column; empty for a stream. */
    public Optional<String> key() {
        return Optional.ofNullable(key);
    }

    /** Index of the key column; -1 for a stream. */
    public int keyIndex() {
        return key == null ? -1 : names.indexOf(key);
    }

    /** Number of partitions by hash of key; 0 for a stream, whose partitions are its writers. */
    public int partitions() {
        return partitions;
    }

    /** Indexes of the columns that are not the key, in declared order: the payload of upsert frames. */
    public int[] payload() {
        int[] payload = new int[names.size() - (key == null ? 0 : 1)];
        for (int i = 0, next = 0; i < names.size(); i++) {
            if (i != keyIndex()) {
                payload[next++] = i;
            }
        }
        return payload;
    }

    /** Types of the block columns that hold the {@link #payload}. */
    public List<ColumnType> payloadColumns() {
        List<ColumnType> columns = new ArrayList<>();
        for (int field : payload()) {
            columns.add(ColumnType.of(types.get(field)));
        }
        return columns;
    }

    /** The schema of the stream or keyed table in {@code directory}; empty when it holds neither. */
    public static Optional<TableSchema> read(Path directory) throws IOException {
        for (String name : new String[] {STREAM_FILE, TABLE_FILE}) {
            try {
                return Optional.of(parse(Json.read(directory.resolve(name)), directory.resolve(name).toString()));
            } catch (NoSuchFileException e) {
                continue;
            }
        }
        return Optional.empty();
    }

    private static TableSchema parse(JsonNode json, String origin) throws FormatException {
        if (Json.member(json, "format", origin).asInt() != 1) {
            throw new FormatException(origin + " has format " + json.get("format") + "; this connector reads format 1");
        }
        List<String> names = new ArrayList<>();
        List<LogicalType> types = new ArrayList<>();
        for (JsonNode column : Json.member(json, "columns", origin)) {
            names.add(Json.member(column, "name", origin).asText());
            types.add(parseType(Json.member(column, "type", origin).asText(), origin));
        }
        String key = json.hasNonNull("key") ? json.get("key").asText() : null;
        if (key != null && !names.contains(key)) {
            throw new FormatException(origin + " names the key \"" + key + "\", which is none of its columns");
        }
        return new TableSchema(names, types, key, key == null ? 0 : json.path("partitions").asInt(1));
    }

    /** A type by its name in Flink ({@code ARRAY<INT>}) or in the registry ({@code INT_ARRAY}). */
    private static LogicalType parseType(String name, String origin) throws FormatException {
        String text = name.endsWith("_ARRAY") ? "ARRAY<" + name.substring(0, name.length() - 6) + ">" : name;
        try {
            LogicalType type = LogicalTypeParser.parse(text, TableSchema.class.getClassLoader());
            ColumnType.of(type);
            return type;
        } catch (RuntimeException e) {
            throw new FormatException(origin + " has a column of unknown type " + name);
        }
    }

    /** Writes the schema into {@code directory} unless one is there, and returns the one that is there then. */
    public TableSchema createIfAbsent(Path directory) throws IOException {
        Optional<TableSchema> present = read(directory);
        if (present.isPresent()) {
            return present.get();
        }
        Files.createDirectories(directory);
        ObjectNode json = Json.object().put("format", 1);
        ArrayNode columns = json.putArray("columns");
        for (int i = 0; i < names.size(); i++) {
            columns.addObject().put("name", names.get(i))
                    .put("type", types.get(i).copy(true).asSerializableString());
        }
        if (key != null) {
            json.put("key", key).put("partitions", partitions);
        }
        DurableFiles.replace(directory.resolve(key == null ? STREAM_FILE : TABLE_FILE), Json.bytes(json));
        return this;
    }
}
