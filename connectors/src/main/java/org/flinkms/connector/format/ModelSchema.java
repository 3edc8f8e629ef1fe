package org.flinkms.connector.format;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;

import java.io.IOException;
import java.io.Serializable;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Tables of a version of a model, as {@code version.json} lists them; the index in the list is a bundle's tag. */
public final class ModelSchema implements Serializable {
    private static final long serialVersionUID = 1L;

    public static final String FILE = "version.json";

    /** One table: rows of {@code width} floats under integer or text keys. */
    public static final class Table implements Serializable {
        private static final long serialVersionUID = 1L;

        private final String name;
        private final boolean textKey;
        private final int width;
        private final float[] initial;

        Table(String name, boolean textKey, int width, float[] initial) {
            this.name = name;
            this.textKey = textKey;
            this.width = width;
            this.initial = initial;
        }

        public String name() {
            return name;
        }

        /** Whether keys are STRING; else they are BIGINT. */
        public boolean isTextKey() {
            return textKey;
        }

        public ElementType keyType() {
            return textKey ? ElementType.STRING : ElementType.BIGINT;
        }

        public int width() {
            return width;
        }

        /** The row an unknown key starts from: zeros, unless the version says otherwise. */
        public float[] initial() {
            return initial.clone();
        }
    }

    private final ArrayList<Table> tables;
    private final int partitions;

    private ModelSchema(List<Table> tables, int partitions) {
        this.tables = new ArrayList<>(tables);
        this.partitions = partitions;
    }

    public List<Table> tables() {
        return Collections.unmodifiableList(tables);
    }

    /** Number of partitions, by hash of key, of every table's log. */
    public int partitions() {
        return partitions;
    }

    /** The tables of the version in {@code directory}. */
    public static ModelSchema read(Path directory) throws IOException {
        Path file = directory.resolve(FILE);
        JsonNode json = Json.read(file);
        int partitions = Json.member(json, "partitions", file.toString()).asInt();
        if (partitions < 1) {
            throw new FormatException(file + " has partitions = " + json.get("partitions"));
        }
        return new ModelSchema(parseTables(Json.member(json, "tables", file.toString()), file.toString()), partitions);
    }

    /** Tables from a JSON array of {"name", "key": "int64" | "text", "width", "initial"?}. */
    public static List<Table> parseTables(JsonNode array, String origin) throws FormatException {
        List<Table> tables = new ArrayList<>();
        for (JsonNode json : array) {
            String name = Json.member(json, "name", origin).asText();
            String key = Json.member(json, "key", origin).asText();
            int width = Json.member(json, "width", origin).asInt();
            if (!name.matches("[A-Za-z0-9_][A-Za-z0-9_.-]*") || width < 1
                    || !(key.equals("int64") || key.equals("text"))) {
                throw new FormatException(origin + " has a malformed table " + json);
            }
            tables.add(new Table(name, key.equals("text"), width, parseInitial(json, width, origin)));
        }
        if (tables.isEmpty()) {
            throw new FormatException(origin + " has no tables");
        }
        return tables;
    }

    private static float[] parseInitial(JsonNode table, int width, String origin) throws FormatException {
        float[] initial = new float[width];
        JsonNode values = table.get("initial");
        if (values == null || values.isNull()) {
            return initial;
        }
        if (!values.isArray() || values.size() != width) {
            throw new FormatException(origin + ": \"initial\" of table " + table.get("name") + " needs "
                    + width + " numbers");
        }
        for (int i = 0; i < width; i++) {
            initial[i] = (float) values.get(i).asDouble();
        }
        return initial;
    }
}
