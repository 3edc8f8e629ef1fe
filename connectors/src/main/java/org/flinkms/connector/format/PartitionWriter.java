package org.flinkms.connector.format;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;

/**
 * Appends frames to one partition, in an epoch of its own. Not thread-safe.
 *
 * <p>A frame is visible to readers as soon as {@link #append} returns, and survives a power failure once
 * {@link #sync} has returned. Opening a writer supersedes all that the partition holds past its parent position; the
 * writer that is cut off so finds out at its next {@link #sync} and fails instead of losing rows silently.
 */
public final class PartitionWriter implements Closeable {
    /** Frame bytes after which a segment rolls over: small enough to be removed one by one by retention. */
    public static final long SEGMENT_BYTES_MAX = 64L << 20;

    private final Path directory;
    private final int partition;
    private final int epoch;
    private final Position parent;
    private FileChannel channel;
    private long segmentStart;
    private long offset;
    private boolean dirty;

    private PartitionWriter(Path directory, int partition, int epoch, Position parent) {
        this.directory = directory;
        this.partition = partition;
        this.epoch = epoch;
        this.parent = parent;
    }

    /**
     * Opens a new epoch whose parent epoch ends at {@code parent} ({@link Position#START}: there is none).
     *
     * @param now microseconds since 1970-01-01 UTC
     * @throws FormatException when the partition does not hold the bytes before {@code parent}
     */
    public static PartitionWriter open(Path directory, int partition, Position parent, long now) throws IOException {
        Files.createDirectories(directory);
        EpochChain chain = EpochChain.read(directory);
        if (parent.epoch() != 0 && !chain.reaches(parent)) {
            throw new FormatException("log " + directory + " does not reach " + parent
                    + ", from where its writer is to go on");
        }
        PartitionWriter writer = new PartitionWriter(directory, partition, chain.newest() + 1, parent);
        writer.openSegment(now);
        CommittedFile.advance(directory, writer.position());
        return writer;
    }

    /**
     * Throws {@link CorruptLogException} when a writer that goes on at {@code parent} would supersede frames that a base
     * contains already, up to {@code base}: they can no longer be taken back.
     */
    public static void requireKeeps(Path directory, Position base, Position parent) throws IOException {
        if (base.epoch() != 0 && !EpochChain.read(directory).isBefore(base, parent)) {
            throw new CorruptLogException(directory, "a base contains the log up to " + base
                    + ", past position " + parent + " from where its writer is to go on; start from a later one");
        }
    }

    /** Where a writer without a checkpoint goes on: what was committed, else all that is whole. */
    public static Position lastPosition(Path directory) throws IOException {
        Optional<Position> committed = CommittedFile.read(directory);
        return committed.isPresent() ? committed.get() : PartitionReader.endOf(directory);
    }

    private void openSegment(long now) throws IOException {
        SegmentHeader header = new SegmentHeader(epoch, partition, offset, parent, now);
        Path hidden = directory.resolve("." + header.fileName());
        FileChannel fresh = FileChannel.open(hidden, StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE);
        try {
            DurableFiles.writeFully(fresh, ByteBuffer.wrap(header.encode()));
            fresh.force(true);
            DurableFiles.rename(hidden, directory.resolve(header.fileName()));
        } catch (IOException e) {
            fresh.close();
            throw e;
        }
        channel = fresh;
        segmentStart = offset;
    }

    /** The end of what was appended. */
    public Position position() {
        return new Position(epoch, offset);
    }

    public Path directory() {
        return directory;
    }

    /** Appends a frame of kind {@link Frame#APPEND} or {@link Frame#UPSERT} and returns the position after it. */
    public Position append(byte kind, int rows, byte[] block, long now) throws IOException {
        byte[] frame = Frame.encode(kind, rows, now, block);
        if (offset > segmentStart && offset + frame.length - segmentStart > SEGMENT_BYTES_MAX) {
            channel.force(false);
            channel.close();
            openSegment(now);
        }
        DurableFiles.writeFully(channel, ByteBuffer.wrap(frame));
        offset += frame.length;
        dirty = true;
        return position();
    }

    /**
     * Makes durable what was appended. Throws {@link FormatException} when another writer has opened a newer epoch:
     * what this one appends is then no longer part of the log.
     */
    public void sync() throws IOException {
        if (dirty) {
            channel.force(false);
            dirty = false;
        }
        int newest = EpochChain.newest(directory);
        if (newest != epoch) {
            throw new FormatException("another writer has opened epoch " + newest + " of log " + directory
                    + " over epoch " + epoch + " of this one; a partition has one writer");
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
