package org.flinkms.connector.format;

import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.utils.LogicalTypeParser;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/** Rows through blocks and back, and the schema files of tables. */
final class RowsTest {
    private static final String[] TYPES = {
        "BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "STRING", "BYTES", "DATE",
        "TIMESTAMP(6)", "TIMESTAMP_LTZ(3)", "ARRAY<BOOLEAN>", "ARRAY<TINYINT>", "ARRAY<SMALLINT>", "ARRAY<INT>",
        "ARRAY<BIGINT>", "ARRAY<FLOAT>", "ARRAY<DOUBLE>",
    };

    private final Path scratch;

    RowsTest(Path scratch) {
        this.scratch = scratch;
    }

    void run() throws Exception {
        rowsComeBackAsTheyWere();
        vectorsAreArraysOrBytes();
        arraysWithNullElementsAreRefused();
        schemasComeBackAsTheyWere();
        foreignSchemasAreRefused();
    }

    private static List<LogicalType> types(String... names) {
        List<LogicalType> types = new ArrayList<>();
        for (String name : names) {
            types.add(LogicalTypeParser.parse(name, RowsTest.class.getClassLoader()));
        }
        return types;
    }

    private void rowsComeBackAsTheyWere() throws Exception {
        List<LogicalType> types = types(TYPES);
        int[] all = IntStream.range(0, TYPES.length).toArray();
        GenericRowData full = GenericRowData.of(true, (byte) -1, (short) 300, 70_000, 1L << 40, 1.5f, 0.1,
                StringData.fromString("Grüße 🎬"), new byte[] {0, -1}, 20_000,
                TimestampData.fromEpochMillis(-1, 999_000), TimestampData.fromEpochMillis(1_763_000_000_123L),
                new GenericArrayData(new boolean[] {true, false}), new GenericArrayData(new byte[] {1}),
                new GenericArrayData(new short[] {1, 2}), new GenericArrayData(new int[] {3}),
                new GenericArrayData(new long[0]), new GenericArrayData(new float[] {0.5f}),
                new GenericArrayData(new double[] {0.1, Double.NaN}));
        GenericRowData empty = new GenericRowData(TYPES.length);
        BlockBuilder builder = new BlockBuilder(RowWriter.columnTypes(types));
        RowWriter writer = new RowWriter(types, all, 0);
        writer.write(full, builder);
        writer.write(empty, builder);
        writer.write(full, builder);
        BlockReader block = new BlockReader(builder.build());
        RowReader reader = new RowReader(types, RowWriter.columnTypes(types), all);
        reader.check(block);
        Check.equal(reader.read(block, 0), full, "row 0");
        Check.equal(reader.read(block, 1), empty, "row 1");
        Check.equal(reader.read(block, 2), full, "row 2");
        RowReader projected = new RowReader(types("STRING"), RowWriter.columnTypes(types("STRING")), new int[] {7});
        Check.equal(projected.read(block, 0), GenericRowData.of(full.getField(7)), "projection");
        RowReader wrong = new RowReader(types("INT"), RowWriter.columnTypes(types("INT")), new int[] {7});
        Check.fails(FormatException.class, "column 7 of a block is STRING where INT", () -> wrong.check(block));
    }

    private void vectorsAreArraysOrBytes() throws Exception {
        ColumnType vector = ColumnType.vector(2);
        BlockBuilder builder = new BlockBuilder(Arrays.asList(vector));
        builder.column(0).putVector(new float[] {9, 0.5f, 1.5f}, 1);
        FieldWriter.of(types("ARRAY<FLOAT>").get(0), vector).write(
                GenericRowData.of(new GenericArrayData(new float[] {2, 3})), 0, builder.column(0));
        Check.fails(IllegalArgumentException.class, "array of 1 elements where vectors have 2", () ->
                FieldWriter.of(types("ARRAY<FLOAT>").get(0), vector).write(
                        GenericRowData.of(new GenericArrayData(new float[1])), 0, builder.column(0)));
        BlockReader block = new BlockReader(builder.build());
        RowReader arrays = new RowReader(types("ARRAY<FLOAT>"), Arrays.asList(vector), new int[] {0});
        Check.equal(arrays.read(block, 0).getField(0), new GenericArrayData(new float[] {0.5f, 1.5f}), "array");
        RowReader bytes = new RowReader(types("BYTES"), Arrays.asList(vector), new int[] {0});
        Check.equal(bytes.read(block, 1).getField(0), new byte[] {0, 0, 0, 0x40, 0, 0, 0x40, 0x40}, "bytes");
    }

    private void arraysWithNullElementsAreRefused() {
        List<LogicalType> types = types("ARRAY<INT>");
        BlockBuilder builder = new BlockBuilder(RowWriter.columnTypes(types));
        Check.fails(IllegalArgumentException.class, "element 2 of an array is NULL", () ->
                new RowWriter(types, new int[] {0}, 0).write(
                        GenericRowData.of(new GenericArrayData(new Integer[] {1, null})), builder));
        Check.fails(IllegalArgumentException.class, "cannot be stored in a model log",
                () -> ColumnType.of(types("ARRAY<STRING>").get(0)));
        Check.fails(IllegalArgumentException.class, "cannot be stored in a model log",
                () -> ColumnType.of(types("DECIMAL(10, 2)").get(0)));
    }

    private void schemasComeBackAsTheyWere() throws Exception {
        Check.equal(TableSchema.read(scratch.resolve("absent")), Optional.empty(), "schema of nothing");
        List<String> names = new ArrayList<>();
        for (int i = 0; i < TYPES.length; i++) {
            names.add("column \"" + i + "\"");
        }
        Path stream = scratch.resolve("stream");
        new TableSchema(names, types(TYPES), null, 0).createIfAbsent(stream);
        TableSchema read = TableSchema.read(stream).get();
        Check.equal(read.names(), names, "names");
        Check.equal(read.types(), types(TYPES), "types");
        Check.equal(read.key(), Optional.empty(), "key");
        Path table = scratch.resolve("table");
        new TableSchema(names, types(TYPES), names.get(4), 8).createIfAbsent(table);
        TableSchema keyed = TableSchema.read(table).get();
        Check.equal(keyed.keyIndex(), 4, "key");
        Check.equal(keyed.partitions(), 8, "partitions");
        Check.equal(Arrays.copyOf(keyed.payload(), 5), new int[] {0, 1, 2, 3, 5}, "payload");
    }

    private void foreignSchemasAreRefused() throws Exception {
        Path directory = Files.createDirectories(scratch.resolve("foreign"));
        Path file = directory.resolve(TableSchema.STREAM_FILE);
        String[][] cases = {
            {"{", "is not valid JSON"},
            {"{\"format\": 2, \"columns\": []}", "has format 2"},
            {"{\"format\": 1}", "has no \"columns\""},
            {"{\"format\": 1, \"columns\": [{\"name\": \"a\", \"type\": \"NUMBER\"}]}", "unknown type NUMBER"},
            {"{\"format\": 1, \"columns\": [{\"name\": \"a\", \"type\": \"INT\"}], \"key\": \"b\"}", "the key \"b\""},
        };
        for (String[] example : cases) {
            Files.write(file, example[0].getBytes());
            Check.fails(FormatException.class, example[1], () -> TableSchema.read(directory));
        }
        Files.write(file, "{\"format\": 1, \"columns\": [{\"name\": \"a\", \"type\": \"FLOAT_ARRAY\"}]}".getBytes());
        Check.equal(TableSchema.read(directory).get().types(), types("ARRAY<FLOAT>"), "a type by its registry name");
    }
}
