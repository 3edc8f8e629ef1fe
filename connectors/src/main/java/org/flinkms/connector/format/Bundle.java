package org.flinkms.connector.format;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Tagged blocks in one BYTES value: what crosses between Flink's JVM and its Python workers. */
public final class Bundle {
    /** Tag of an entry that holds JSON text. */
    public static final int JSON_TAG = 0xFFFFFFFF;

    private static final int HEADER_BYTES = 8;

    private final List<Entry> entries = new ArrayList<>();

    /** One entry: a block of the table with index {@code tag}, or JSON text. */
    public static final class Entry {
        private final int tag;
        private final ByteBuffer bytes;

        Entry(int tag, ByteBuffer bytes) {
            this.tag = tag;
            this.bytes = bytes;
        }

        public int tag() {
            return tag;
        }

        public boolean isJson() {
            return tag == JSON_TAG;
        }

        public BlockReader block() throws FormatException {
            return new BlockReader(bytes);
        }

        /** The text of a JSON entry, without its padding. */
        public String json() {
            return StandardCharsets.UTF_8.decode(bytes.duplicate()).toString().trim();
        }
    }

    /** Adds a block. */
    public void addBlock(int tag, byte[] block) {
        entries.add(new Entry(tag, ByteBuffer.wrap(block)));
    }

    /** Adds JSON text, padded with spaces to a multiple of 8 bytes. */
    public void addJson(String json) {
        byte[] text = json.getBytes(StandardCharsets.UTF_8);
        byte[] padded = new byte[(int) BlockBuilder.padded(text.length)];
        Arrays.fill(padded, (byte) ' ');
        System.arraycopy(text, 0, padded, 0, text.length);
        entries.add(new Entry(JSON_TAG, ByteBuffer.wrap(padded)));
    }

    public List<Entry> entries() {
        return entries;
    }

    public byte[] encode() {
        long bytes = HEADER_BYTES;
        for (Entry entry : entries) {
            bytes += 8 + entry.bytes.remaining();
        }
        ByteBuffer target = ByteBuffer.allocate(Math.toIntExact(bytes)).order(ByteOrder.LITTLE_ENDIAN);
        target.putInt(entries.size()).putInt(0);
        for (Entry entry : entries) {
            target.putInt(entry.tag).putInt(entry.bytes.remaining()).put(entry.bytes.duplicate());
        }
        return target.array();
    }

    /** The entries of a bundle, as views of its bytes. */
    public static Bundle decode(byte[] bytes) throws FormatException {
        ByteBuffer source = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        if (bytes.length < HEADER_BYTES || source.getInt(0) < 0 || source.getInt(4) != 0) {
            throw new FormatException("bundle has a malformed header");
        }
        Bundle bundle = new Bundle();
        int count = source.getInt();
        source.getInt();
        for (int i = 0; i < count; i++) {
            if (source.remaining() < 8) {
                throw new FormatException("bundle is shorter than its " + count + " entries");
            }
            int tag = source.getInt();
            int length = source.getInt();
            if (length < 0 || length % 8 != 0 || length > source.remaining()) {
                throw new FormatException("entry " + i + " of a bundle has a malformed length of " + length);
            }
            ByteBuffer view = source.slice();
            view.limit(length);
            bundle.entries.add(new Entry(tag, view.slice()));
            source.position(source.position() + length);
        }
        if (source.hasRemaining()) {
            throw new FormatException("bundle is followed by " + source.remaining() + " bytes");
        }
        return bundle;
    }
}
