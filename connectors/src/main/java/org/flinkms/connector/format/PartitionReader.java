package org.flinkms.connector.format;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;

/**
 * Reads one partition frame by frame, from a position on, and goes on while it is being written.
 *
 * <p>{@link #poll} never blocks: null means that there is nothing yet. When the writer was restored and a new epoch
 * supersedes frames that were already handed out, the next entry {@link Entry#isRewind} and says up to where the
 * log still stands. Not thread-safe.
 */
public final class PartitionReader implements Closeable {
    /** Bytes read ahead: a load of many small frames then costs one read per MiB. */
    private static final int CHUNK_BYTES = 1 << 20;

    /** Frames between two looks at the directory, so that a superseded writer cannot keep a reader for ever. */
    private static final int FRAMES_PER_LISTING = 256;

    /** A frame with the positions where it starts and ends, or the news that the log was rewound. */
    public static final class Entry {
        private final Position start;
        private final Position end;
        private final Frame frame;

        Entry(Position start, Position end, Frame frame) {
            this.start = start;
            this.end = end;
            this.frame = frame;
        }

        /** Whether all that was handed out after {@link #end} is no longer part of the log. */
        public boolean isRewind() {
            return frame == null;
        }

        public Position start() {
            return start;
        }

        /** Where reading goes on after this entry. */
        public Position end() {
            return end;
        }

        /** The frame; null for a rewind. */
        public Frame frame() {
            return frame;
        }
    }

    private final Path directory;
    private final DirectoryStamp names;
    private final boolean trimmed;
    private EpochChain chain;
    private Position position;
    private Segment segment;
    private int framesSinceListing;

    /** An open segment file and what was read ahead of it. */
    private static final class Segment {
        final Path file;
        final FileChannel channel;
        final Position start;
        ByteBuffer chunk;
        long chunkAt;
        /** Size of the file when its end was last found to be no whole frame: nothing to look at until it grows. */
        long tornSize = -1;

        Segment(Path file, Position start) throws IOException {
            this.file = file;
            this.start = start;
            this.channel = FileChannel.open(file, StandardOpenOption.READ);
        }

        /** Index in the chunk of {@code count} bytes at {@code fileOffset}; -1 when the file ends before. */
        int load(long fileOffset, int count, long fileSize) throws IOException {
            if (chunk == null || fileOffset < chunkAt || fileOffset + count > chunkAt + chunk.limit()) {
                int size = (int) Math.max(count, Math.min(CHUNK_BYTES, fileSize - fileOffset));
                ByteBuffer fresh = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
                while (fresh.hasRemaining() && channel.read(fresh, fileOffset + fresh.position()) > 0) {
                    continue;
                }
                fresh.flip();
                if (fresh.limit() < count) {
                    return -1;
                }
                chunk = fresh;
                chunkAt = fileOffset;
            }
            return (int) (fileOffset - chunkAt);
        }

        ByteBuffer view(int at, int count) {
            ByteBuffer view = chunk.duplicate();
            view.position(at);
            view.limit(at + count);
            return view;
        }
    }

    /**
     * A reader of the partition in {@code directory}, which need not exist yet. A {@code from} in a superseded tail
     * gives a rewind as the first entry; {@link Position#START} reads from the earliest frame there is.
     */
    public PartitionReader(Path directory, Position from) {
        this(directory, from, false);
    }

    private PartitionReader(Path directory, Position from, boolean trimmed) {
        this.directory = directory;
        this.trimmed = trimmed;
        this.names = new DirectoryStamp(directory);
        this.position = from;
    }

    /**
     * A reader of a partition of a stream, whose oldest rows retention may take, and at last the partition. A position
     * before the earliest frame there is gives an entry that goes forward to it; a partition that is gone has no more.
     */
    public static PartitionReader ofStream(Path directory, Position from) {
        return new PartitionReader(directory, from, true);
    }

    /** Where the next frame is expected. */
    public Position position() {
        return position;
    }

    /** The next entry, or null when there is nothing yet. */
    public Entry poll() throws IOException {
        return poll(null);
    }

    /** The next entry that ends at or before {@code limit} (null: no limit), or null when there is nothing yet. */
    public Entry poll(Position limit) throws IOException {
        boolean limitIsNews = chain != null && limit != null && limit.epoch() > chain.newest();
        if (chain == null || limitIsNews || framesSinceListing >= FRAMES_PER_LISTING) {
            Entry rewind = refresh();
            if (rewind != null) {
                return rewind;
            }
        }
        Entry entry = next(limit);
        if (entry == null && names.mayHaveChanged() && chain.isStale()) {
            Entry rewind = refresh();
            entry = rewind != null ? rewind : next(limit);
        }
        return entry;
    }

    private Entry refresh() throws IOException {
        framesSinceListing = 0;
        if (chain != null && !chain.isStale()) {
            return null;
        }
        chain = EpochChain.read(directory);
        if (chain.isEmpty() && (position.equals(Position.START) || trimmed && !Files.exists(directory))) {
            return null;
        }
        if (trimmed && chain.isTrimmedAt(position)) {
            Entry forward = new Entry(position, chain.first(), null);
            moveTo(chain.first());
            return forward;
        }
        Position valid = chain.clamp(position);
        if (valid.equals(position) || valid.epoch() > position.epoch()) {
            return null;
        }
        Entry rewind = new Entry(position, valid, null);
        moveTo(valid);
        return rewind;
    }

    private void moveTo(Position target) throws IOException {
        close();
        position = target;
    }

    private Entry next(Position limit) throws IOException {
        if (chain.isEmpty()) {
            return null;
        }
        if (position.epoch() == 0) {
            position = chain.first();
        }
        EpochChain.Epoch epoch = chain.get(position.epoch());
        while (epoch == null || position.offset() >= epoch.end) {
            epoch = chain.childOf(position.epoch());
            moveTo(new Position(epoch.number, 0));
        }
        if (limit != null && position.compareTo(chain.clamp(limit)) >= 0) {
            return null;
        }
        openSegment(epoch);
        return readFrame(epoch);
    }

    private void openSegment(EpochChain.Epoch epoch) throws IOException {
        Map.Entry<Long, Path> holder = epoch.segments.floorEntry(position.offset());
        if (holder == null) {
            throw new FormatException("position " + position + " is not in log " + directory
                    + ", which begins at " + chain.first());
        }
        if (segment == null || segment.start.epoch() != epoch.number || segment.start.offset() != holder.getKey()) {
            close();
            segment = new Segment(holder.getValue(), new Position(epoch.number, holder.getKey()));
        }
    }

    private Entry readFrame(EpochChain.Epoch epoch) throws IOException {
        long fileOffset = SegmentHeader.BYTES + position.offset() - segment.start.offset();
        long fileSize = segment.channel.size();
        if (fileSize == segment.tornSize) {
            return null;
        }
        int at = fileSize - fileOffset < Frame.HEADER_BYTES
                ? -1 : segment.load(fileOffset, Frame.HEADER_BYTES, fileSize);
        if (at < 0) {
            return unreadable(epoch, fileOffset, fileSize, fileSize);
        }
        long length = Frame.length(segment.chunk, at);
        if (length < 0) {
            return unreadable(epoch, fileOffset, fileSize, fileSize);
        }
        at = fileSize - fileOffset < length ? -1 : segment.load(fileOffset, (int) length, fileSize);
        Frame frame = at < 0 ? null : decode(fileOffset, segment.view(at, (int) length));
        if (frame == null) {
            return unreadable(epoch, fileOffset, fileSize, fileOffset + length);
        }
        if (position.offset() + length > epoch.end) {
            throw new CorruptLogException(segment.file, fileOffset,
                    "a frame reaches past offset " + epoch.end + ", where epoch " + epoch.number + " ends");
        }
        Position start = position;
        position = new Position(start.epoch(), start.offset() + length);
        framesSinceListing++;
        return new Entry(start, position, frame);
    }

    private Frame decode(long fileOffset, ByteBuffer bytes) throws CorruptLogException {
        try {
            return Frame.decode(bytes);
        } catch (FormatException e) {
            throw new CorruptLogException(segment.file, fileOffset, e.getMessage());
        }
    }

    /**
     * Bytes that are no whole frame are the end of a log that is being written or was cut off by a crash, and not
     * there yet: unless something follows them, the log is known to go on, or a whole frame lies behind them. Then
     * they were whole once. {@code frameEnd} is where the frame claims to end, or the end of the file.
     */
    private Entry unreadable(EpochChain.Epoch epoch, long fileOffset, long fileSize, long frameEnd)
            throws IOException {
        segment.chunk = null;
        if (goesOn(epoch)) {
            throw new CorruptLogException(segment.file, fileOffset, "there is no whole frame, but the log goes on");
        }
        if (frameEnd < fileSize || holdsFrame(fileOffset + 8, fileSize)) {
            throw new CorruptLogException(segment.file, fileOffset, "a frame has a wrong magic or checksum");
        }
        segment.tornSize = fileSize;
        return null;
    }

    private boolean goesOn(EpochChain.Epoch epoch) {
        return !epoch.isOpen() || epoch.segments.higherKey(position.offset()) != null;
    }

    private boolean holdsFrame(long from, long fileSize) throws IOException {
        for (long offset = from; offset + Frame.HEADER_BYTES <= fileSize; offset += 8) {
            int at = segment.load(offset, Frame.HEADER_BYTES, fileSize);
            long length = at < 0 ? -1 : Frame.length(segment.chunk, at);
            if (length < 0 || offset + length > fileSize) {
                continue;
            }
            at = segment.load(offset, (int) length, fileSize);
            if (at >= 0 && decode(offset, segment.view(at, (int) length)) != null) {
                return true;
            }
        }
        return false;
    }

    /** The end of what is whole in a partition: {@link Position#START} when it is empty. */
    public static Position endOf(Path directory) throws IOException {
        EpochChain chain = EpochChain.read(directory);
        if (chain.isEmpty()) {
            return Position.START;
        }
        try (PartitionReader reader = new PartitionReader(directory, chain.lastSegment())) {
            while (reader.poll() != null) {
                continue;
            }
            return reader.position();
        }
    }

    @Override
    public void close() throws IOException {
        if (segment != null) {
            segment.channel.close();
            segment = null;
        }
    }
}
