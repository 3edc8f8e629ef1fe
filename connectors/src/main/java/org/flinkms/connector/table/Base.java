package org.flinkms.connector.table;

import org.flinkms.connector.format.FormatException;
import org.flinkms.connector.format.Json;
import org.flinkms.connector.format.KeyHash;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** The trained rows of a model's table: immutable, by row number, memory-mapped. Thread-safe. */
public final class Base {
    private static final String FILE = "base.json";

    private final long rows;
    private final MappedColumn keys;
    private final MappedColumn textOffsets;
    private final MappedColumn vectors;
    private final MappedColumn sequences;
    private final MappedColumn eventTimes;

    private Base(Path directory, long rows, int width, boolean textKeys) throws IOException {
        this.rows = rows;
        if (textKeys) {
            textOffsets = MappedColumn.map(directory.resolve("keys.offsets"), Long.BYTES, rows + 1);
            keys = MappedColumn.map(directory.resolve("keys.bytes"), 1, textOffsets.getLong(rows));
        } else {
            textOffsets = null;
            keys = MappedColumn.map(directory.resolve("keys.i64"), Long.BYTES, rows);
        }
        vectors = MappedColumn.map(directory.resolve("rows.f32"), width * Float.BYTES, rows);
        sequences = optional(directory.resolve("sequences.i64"));
        eventTimes = optional(directory.resolve("event_times.i64"));
    }

    private MappedColumn optional(Path file) throws IOException {
        return Files.exists(file) ? MappedColumn.map(file, Long.BYTES, rows) : null;
    }

    /** Opens the base {@code name} of the table in {@code table}. */
    public static Base open(Path table, String name) throws IOException {
        Path directory = table.resolve(name);
        Path file = directory.resolve(FILE);
        JsonNode json = Json.read(file);
        String origin = file.toString();
        long rows = Json.member(json, "rows", origin).asLong(-1);
        int width = Json.member(json, "width", origin).asInt(-1);
        String key = Json.member(json, "key", origin).asText();
        boolean textKeys = key.equals("text");
        if (json.path("format").asInt() != 1 || rows < 0 || width < 1 || !(textKeys || key.equals("int64"))) {
            throw new FormatException(origin + " does not describe a base of format 1");
        }
        return new Base(directory, rows, width, textKeys);
    }

    public long rows() {
        return rows;
    }

    public boolean hasTextKeys() {
        return textOffsets != null;
    }

    /** The key of a row of a base without text keys. */
    public long longKey(long row) {
        return keys.getLong(row);
    }

    /** The key of a row: a Long or a StringData. */
    public Object key(long row) {
        return hasTextKeys() ? (Object) StringData.fromBytes(textKey(row)) : longKey(row);
    }

    /** The UTF-8 of the key of a row of a base with text keys. */
    public byte[] textKey(long row) {
        return keys.getBytes(textOffsets.getLong(row), textOffsets.getLong(row + 1));
    }

    /** How many deltas or records had gone into a row when the base was written. */
    public long sequence(long row) {
        return sequences == null ? 0 : sequences.getLong(row);
    }

    /** Copies the floats of a row into {@code target} from index {@code at}. */
    public void copyVector(long row, float[] target, int at) {
        vectors.copyFloats(row, target, at);
    }

    /** Which of {@code partitions} partitions the updates of a row's key are in. */
    public int partition(long row, int partitions) {
        return KeyHash.partition(hasTextKeys() ? KeyHash.of(textKey(row)) : KeyHash.of(longKey(row)), partitions);
    }

    /** A new row with the given columns. */
    public GenericRowData read(long row, List<TableColumn> columns) {
        GenericRowData target = new GenericRowData(columns.size());
        for (int i = 0; i < columns.size(); i++) {
            target.setField(i, field(row, columns.get(i).role()));
        }
        return target;
    }

    private Object field(long row, TableColumn.Role role) {
        switch (role) {
            case KEY:
                return key(row);
            case SEQUENCE:
                return sequence(row);
            case EVENT_TIME:
                return eventTimes == null ? null : FrameRows.eventTime(eventTimes.getLong(row));
            case PAYLOAD:
                return new GenericArrayData(vectors.getFloats(row));
            default:
                throw new IllegalArgumentException("unknown role " + role);
        }
    }
}
