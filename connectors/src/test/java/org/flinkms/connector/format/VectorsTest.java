package org.flinkms.connector.format;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The Java codec against tests/vectors/, which the Python codec reads too. */
final class VectorsTest {
    private final Path folder;
    private final JsonNode described;

    VectorsTest(Path folder) throws Exception {
        this.folder = folder;
        this.described = Json.read(folder.resolve("vectors.json"));
    }

    void run() throws Exception {
        for (JsonNode block : described.get("blocks")) {
            blockHoldsWhatIsDescribed(block);
        }
        for (JsonNode malformed : described.get("malformed")) {
            Check.fails(FormatException.class, "", () -> new BlockReader(bytes(malformed)));
        }
        for (JsonNode bundle : described.get("bundles")) {
            bundle(bundle);
        }
        for (JsonNode frame : described.get("frames")) {
            frame(frame);
        }
        for (JsonNode segment : described.get("segments")) {
            segment(segment);
        }
        for (JsonNode hash : described.get("hashes")) {
            hash(hash);
        }
    }

    private byte[] bytes(JsonNode facts) throws Exception {
        return Files.readAllBytes(folder.resolve(facts.get("file").asText()));
    }

    private void blockHoldsWhatIsDescribed(JsonNode facts) throws Exception {
        String name = facts.get("file").asText();
        BlockReader block = new BlockReader(bytes(facts));
        JsonNode columns = facts.get("columns");
        Check.equal(block.rows(), facts.get("rows").asInt(), "rows of " + name);
        Check.equal(block.columns(), columns.size(), "columns of " + name);
        List<ColumnType> types = new ArrayList<>();
        for (JsonNode column : columns) {
            types.add(ColumnType.ofCode(column.get("code").asInt(), column.get("width").asInt()));
        }
        BlockBuilder builder = new BlockBuilder(types);
        for (int c = 0; c < columns.size(); c++) {
            Check.equal(block.type(c), types.get(c), "type of column " + c + " of " + name);
            for (int row = 0; row < block.rows(); row++) {
                JsonNode value = columns.get(c).get("values").get(row);
                String what = "column " + c + ", row " + row + " of " + name;
                Check.equal(block.isNull(c, row), value.isNull(), "nullness of " + what);
                byte[] expected = value.isNull() ? nullBytes(types.get(c)) : valueBytes(types.get(c), value);
                Check.equal(block.getBytes(c, row), expected, what);
                put(builder.column(c), value, expected);
            }
        }
        if (facts.get("canonical").asBoolean()) {
            Check.equal(builder.bytes(), (long) bytes(facts).length, "announced length of " + name);
            Check.equal(builder.build(), bytes(facts), "bytes of " + name);
            Check.equal(builder.rows(), 0, "rows of a builder after build");
        }
    }

    private static void put(ColumnBuilder column, JsonNode value, byte[] bytes) {
        if (value.isNull()) {
            column.putNull();
        } else {
            column.putBytes(bytes);
        }
    }

    private static byte[] nullBytes(ColumnType type) {
        return new byte[type.isVariable() ? 0 : type.rowBytes()];
    }

    /** The little-endian bytes of a described value. */
    private static byte[] valueBytes(ColumnType type, JsonNode value) {
        if (type.element() == ElementType.STRING) {
            return value.asText().getBytes(StandardCharsets.UTF_8);
        }
        if (type.element() == ElementType.BYTES) {
            byte[] bytes = new byte[value.asText().length() / 2];
            for (int i = 0; i < bytes.length; i++) {
                bytes[i] = (byte) Integer.parseInt(value.asText().substring(2 * i, 2 * i + 2), 16);
            }
            return bytes;
        }
        int count = value.isArray() ? value.size() : 1;
        ByteBuffer target =
                ByteBuffer.allocate(count * type.element().size()).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < count; i++) {
            putElement(type.element(), value.isArray() ? value.get(i) : value, target);
        }
        return target.array();
    }

    private static void putElement(ElementType type, JsonNode value, ByteBuffer target) {
        switch (type) {
            case FLOAT:
                target.putFloat(Float.parseFloat(value.asText()));
                break;
            case DOUBLE:
                target.putDouble(Double.parseDouble(value.asText()));
                break;
            default:
                for (int i = 0; i < type.size(); i++) {
                    target.put((byte) (value.asLong() >> 8 * i));
                }
        }
    }

    private void bundle(JsonNode facts) throws Exception {
        Bundle bundle = Bundle.decode(bytes(facts));
        Check.equal(bundle.entries().size(), facts.get("entries").size(), "entries of " + facts.get("file"));
        Bundle rebuilt = new Bundle();
        for (int i = 0; i < bundle.entries().size(); i++) {
            JsonNode expected = facts.get("entries").get(i);
            Bundle.Entry entry = bundle.entries().get(i);
            Check.equal(entry.isJson(), expected.has("json"), "kind of entry " + i);
            if (entry.isJson()) {
                Check.equal(entry.json(), expected.get("json").asText(), "JSON of entry " + i);
                rebuilt.addJson(entry.json());
            } else {
                Check.equal(entry.tag(), expected.get("tag").asInt(), "tag of entry " + i);
                Check.that(entry.block().rows() > 0, "the entry is a block");
                rebuilt.addBlock(entry.tag(), Files.readAllBytes(folder.resolve(expected.get("block").asText())));
            }
        }
        byte[] whole = bytes(facts);
        Check.equal(rebuilt.encode(), whole, "bytes of " + facts.get("file"));
        for (int length = 0; length < whole.length; length++) {
            byte[] cut = Arrays.copyOf(whole, length);
            Check.fails(FormatException.class, "bundle", () -> Bundle.decode(cut));
        }
    }

    private void frame(JsonNode facts) throws Exception {
        byte[] whole = bytes(facts);
        byte[] block = Files.readAllBytes(folder.resolve(facts.get("block").asText()));
        Frame frame = Frame.decode(ByteBuffer.wrap(whole));
        Check.equal((int) frame.kind(), facts.get("kind").asInt(), "kind");
        Check.equal(frame.rows(), facts.get("rows").asInt(), "rows");
        Check.equal(frame.writtenAt(), facts.get("written_at").asLong(), "written_at");
        Check.equal(frame.block().rows(), frame.rows(), "rows of the block");
        Check.equal(Frame.encode(frame.kind(), frame.rows(), frame.writtenAt(), block), whole, "bytes of the frame");
        for (int at = 12; at < whole.length; at++) {
            byte[] damaged = whole.clone();
            damaged[at] ^= 0x40;
            Check.that(Frame.decode(ByteBuffer.wrap(damaged)) == null, "a flipped bit at byte " + at + " is found");
        }
    }

    private void segment(JsonNode facts) throws Exception {
        SegmentHeader header = SegmentHeader.decode(bytes(facts), folder.resolve(facts.get("file").asText()));
        Check.equal(header.epoch(), facts.get("epoch").asInt(), "epoch");
        Check.equal(header.partition(), facts.get("partition").asInt(), "partition");
        Check.equal(header.startOffset(), facts.get("start").asLong(), "start offset");
        Check.equal(header.parent(), Json.position(facts.get("parent"), "parent"), "parent");
        Check.equal(header.createdAt(), facts.get("created_at").asLong(), "created_at");
        Check.equal(header.fileName(), facts.get("file_name").asText(), "file name");
        Check.equal(header.encode(), bytes(facts), "bytes of the header");
    }

    private void hash(JsonNode facts) {
        JsonNode key = facts.get("key");
        long hash = key.isTextual()
                ? KeyHash.of(key.asText().getBytes(StandardCharsets.UTF_8)) : KeyHash.of(key.asLong());
        Check.equal(Long.toUnsignedString(hash), facts.get("hash").asText(), "hash of " + key);
        Check.equal(KeyHash.partition(hash, 7), facts.get("of7").asInt(), "partition of " + key);
    }
}
