package org.flinkms.connector.table;

import org.flinkms.connector.format.BlockBuilder;
import org.flinkms.connector.format.ColumnType;
import org.flinkms.connector.format.ElementType;
import org.flinkms.connector.format.Frame;
import org.flinkms.connector.format.PartitionWriter;
import org.flinkms.connector.format.Position;

import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.table.catalog.ResolvedSchema;
import org.apache.flink.table.catalog.UniqueConstraint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;

/** Tables for tests, written by hand: a stream of numbers, and a table of a model with vectors of width 2. */
public final class LogFiles {
    private static final long NOW = 1_763_000_000_000_000L;
    private static final int WIDTH = 2;

    private LogFiles() {}

    /** Layout of a stream with the one column {@code n BIGINT}. */
    public static TableLayout stream(Path path) {
        return TableLayout.of(ResolvedSchema.of(Column.physical("n", DataTypes.BIGINT())), path);
    }

    /** Appends a frame of numbers to a partition of a stream. */
    public static Position append(PartitionWriter writer, long... numbers) throws IOException {
        BlockBuilder block = new BlockBuilder(Collections.singletonList(ColumnType.of(ElementType.BIGINT)));
        for (long number : numbers) {
            block.column(0).putLong(number);
        }
        return writer.append(Frame.APPEND, numbers.length, block.build(), NOW);
    }

    /** A writer of the partition {@code name} that goes on at {@code parent}. */
    public static PartitionWriter open(Path table, String name, Position parent) throws IOException {
        return PartitionWriter.open(table.resolve("log").resolve(name), 0, parent, NOW);
    }

    /** Layout of a table of a model with BIGINT keys. */
    public static TableLayout model(Path table) {
        return TableLayout.of(
                new ResolvedSchema(
                        Arrays.asList(
                                Column.physical("key", DataTypes.BIGINT().notNull()),
                                Column.physical("sequence", DataTypes.BIGINT()),
                                Column.physical("event_time", DataTypes.TIMESTAMP_LTZ(6)),
                                Column.physical("vector", DataTypes.ARRAY(DataTypes.FLOAT()))),
                        Collections.emptyList(),
                        UniqueConstraint.primaryKey("pk", Collections.singletonList("key")),
                        Collections.emptyList()),
                table);
    }

    /** A table of a model, with {@code partitions} partitions, whose base holds {@code (key, -key)} under each key. */
    public static void createModel(Path table, int partitions, long... keys) throws IOException {
        Path base = Files.createDirectories(table.resolve("base-000001"));
        ByteBuffer keyBytes = ByteBuffer.allocate(8 * keys.length).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer rowBytes = ByteBuffer.allocate(4 * WIDTH * keys.length).order(ByteOrder.LITTLE_ENDIAN);
        for (long key : keys) {
            keyBytes.putLong(key);
            rowBytes.putFloat(key).putFloat(-key);
        }
        Files.write(base.resolve("keys.i64"), keyBytes.array());
        Files.write(base.resolve("rows.f32"), rowBytes.array());
        write(base.resolve("base.json"), "{'format': 1, 'rows': " + keys.length + ", 'width': 2, 'key': 'int64'}");
        write(table.resolve("manifest.json"), "{'format': 1, 'base': 'base-000001', 'positions': {}}");
        write(table.resolveSibling("version.json"), "{'partitions': " + partitions
                + ", 'tables': [{'name': '" + table.getFileName() + "', 'key': 'int64', 'width': 2}]}");
    }

    private static void write(Path file, String json) throws IOException {
        Files.write(file, json.replace('\'', '"').getBytes(StandardCharsets.UTF_8));
    }

    /** Upserts {@code (first, 0)} under a key. */
    public static Position upsert(PartitionWriter writer, long key, float first) throws IOException {
        return change(writer, Frame.OP_UPSERT, key, first);
    }

    public static Position delete(PartitionWriter writer, long key) throws IOException {
        return change(writer, Frame.OP_DELETE, key, 0);
    }

    private static Position change(PartitionWriter writer, byte op, long key, float first) throws IOException {
        BlockBuilder block = new BlockBuilder(
                Arrays.asList(
                        ColumnType.of(ElementType.TINYINT),
                        ColumnType.of(ElementType.BIGINT),
                        ColumnType.of(ElementType.BIGINT),
                        ColumnType.of(ElementType.BIGINT),
                        ColumnType.vector(WIDTH)));
        block.column(Frame.UPSERT_OP).putByte(op);
        block.column(Frame.UPSERT_KEY).putLong(key);
        block.column(Frame.UPSERT_SEQUENCE).putLong(1);
        block.column(Frame.UPSERT_EVENT_TIME).putLong(NOW);
        if (op == Frame.OP_DELETE) {
            block.column(Frame.UPSERT_PAYLOAD).putNull();
        } else {
            block.column(Frame.UPSERT_PAYLOAD).putVector(new float[] {first, 0}, 0);
        }
        return writer.append(Frame.UPSERT, 1, block.build(), NOW);
    }
}
