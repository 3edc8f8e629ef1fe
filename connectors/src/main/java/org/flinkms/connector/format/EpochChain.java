package org.flinkms.connector.format;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.Map;
import java.util.NavigableMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Which epochs of a partition's directory make up its log, and where each of them ends.
 *
 * <p>The newest epoch is part of the log, and so is the parent of an epoch that is, up to the parent offset. All
 * else in the directory is superseded. Immutable: a picture of the directory at one moment.
 */
final class EpochChain {
    /** One epoch with its segment files by start offset; {@code end} is open for the newest. */
    static final class Epoch {
        final int number;
        final NavigableMap<Long, Path> segments = new TreeMap<>();
        Position parent = Position.START;
        long end = Long.MAX_VALUE;

        Epoch(int number) {
            this.number = number;
        }

        boolean isOpen() {
            return end == Long.MAX_VALUE;
        }
    }

    private final Path directory;
    private final SortedSet<Position> files;
    private final NavigableMap<Integer, Epoch> all = new TreeMap<>();
    private final NavigableMap<Integer, Epoch> chain = new TreeMap<>();

    private EpochChain(Path directory, SortedSet<Position> files) {
        this.directory = directory;
        this.files = files;
    }

    /** The chain of a directory; an absent directory is an empty one. */
    static EpochChain read(Path directory) throws IOException {
        EpochChain chain = new EpochChain(directory, list(directory));
        for (Position file : chain.files) {
            Path path = directory.resolve(new SegmentHeader(
                    file.epoch(), 0, file.offset(), Position.START, 0).fileName());
            chain.all.computeIfAbsent(file.epoch(), Epoch::new).segments.put(file.offset(), path);
        }
        for (Epoch epoch : chain.all.values()) {
            epoch.parent = readParent(epoch);
        }
        chain.link();
        return chain;
    }

    private static SortedSet<Position> list(Path directory) throws IOException {
        SortedSet<Position> files = new TreeSet<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
            for (Path entry : entries) {
                Position file = SegmentHeader.parseFileName(entry.getFileName().toString());
                if (file != null) {
                    files.add(file);
                }
            }
        } catch (NoSuchFileException e) {
            return Collections.emptySortedSet();
        }
        return files;
    }

    private static Position readParent(Epoch epoch) throws IOException {
        Map.Entry<Long, Path> first = epoch.segments.firstEntry();
        Path file = first.getValue();
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            SegmentHeader header = SegmentHeader.read(channel, file);
            if (header.epoch() != epoch.number || header.startOffset() != first.getKey()) {
                throw new CorruptLogException(file, 16, "segment header and file name disagree");
            }
            if (header.parent().epoch() >= epoch.number) {
                throw new CorruptLogException(file, 32, "parent epoch is not before its child");
            }
            return header.parent();
        }
    }

    private void link() {
        Map.Entry<Integer, Epoch> newest = all.lastEntry();
        Epoch epoch = newest == null ? null : newest.getValue();
        while (epoch != null) {
            chain.put(epoch.number, epoch);
            Epoch parent = all.get(epoch.parent.epoch());
            if (parent != null) {
                parent.end = epoch.parent.offset();
            }
            epoch = parent;
        }
    }

    /** Number of the newest epoch in a directory, which is only listed; 0 when there is none. */
    static int newest(Path directory) throws IOException {
        SortedSet<Position> files = list(directory);
        return files.isEmpty() ? 0 : files.last().epoch();
    }

    boolean isEmpty() {
        return chain.isEmpty();
    }

    /** Whether the directory holds other segments by now than when this picture was taken. */
    boolean isStale() throws IOException {
        return !files.equals(list(directory));
    }

    Epoch get(int epoch) {
        return chain.get(epoch);
    }

    /** The epoch that follows, or null. */
    Epoch childOf(int epoch) {
        Map.Entry<Integer, Epoch> child = chain.higherEntry(epoch);
        return child == null ? null : child.getValue();
    }

    /** Number of the newest epoch; 0 when there is none. */
    int newest() {
        return all.isEmpty() ? 0 : all.lastKey();
    }

    /** The earliest position that is still there. */
    Position first() {
        Epoch first = chain.firstEntry().getValue();
        return new Position(first.number, first.segments.firstKey());
    }

    /** Whether frames that follow {@code position} are gone, because they were before the first that is there. */
    boolean isTrimmedAt(Position position) {
        if (chain.isEmpty() || position.epoch() == 0 || position.compareTo(first()) >= 0) {
            return false;
        }
        Epoch oldest = chain.firstEntry().getValue();
        Epoch own = all.get(position.epoch());
        boolean superseded = own != null && own != oldest;
        boolean nothingBetween = oldest.parent.equals(position) && first().offset() == 0;
        return !superseded && !nothingBetween;
    }

    /** Start of the last segment: a reader that looks for the end begins here. */
    Position lastSegment() {
        Epoch last = chain.lastEntry().getValue();
        return new Position(last.number, last.segments.lastKey());
    }

    /** Whether bytes up to {@code position} are there, be they superseded or not. */
    boolean reaches(Position position) throws IOException {
        Epoch epoch = all.get(position.epoch());
        if (epoch == null) {
            return false;
        }
        Map.Entry<Long, Path> segment = epoch.segments.floorEntry(position.offset());
        return segment != null
                && Files.size(segment.getValue()) - SegmentHeader.BYTES >= position.offset() - segment.getKey();
    }

    /** Whether a writer that goes on at {@code later} keeps all that is before {@code earlier}. */
    boolean isBefore(Position earlier, Position later) {
        Position from = earlier;
        while (from.offset() == 0 && all.containsKey(from.epoch())) {
            from = all.get(from.epoch()).parent;
        }
        Position at = later;
        while (at.epoch() > from.epoch() && all.containsKey(at.epoch())) {
            at = all.get(at.epoch()).parent;
        }
        return at.epoch() == from.epoch() && from.offset() <= at.offset();
    }

    /**
     * The latest position at or before {@code position} that is part of the log: itself, or where its branch leaves
     * the chain. Throws {@link FormatException} when the log no longer reaches back that far.
     */
    Position clamp(Position position) throws FormatException {
        Position at = position;
        while (at.epoch() != 0) {
            Epoch epoch = chain.get(at.epoch());
            if (epoch != null) {
                return new Position(at.epoch(), Math.min(at.offset(), epoch.end));
            }
            Epoch superseded = all.get(at.epoch());
            if (superseded == null) {
                return clampToRemoved(at);
            }
            at = superseded.parent;
        }
        return Position.START;
    }

    /** An epoch that is not there: fine only when the oldest one that is there starts exactly at its end. */
    private Position clampToRemoved(Position at) throws FormatException {
        Map.Entry<Integer, Epoch> oldest = chain.firstEntry();
        if (oldest != null && oldest.getValue().parent.equals(at) && oldest.getValue().segments.firstKey() == 0) {
            return new Position(oldest.getKey(), 0);
        }
        throw new FormatException("position " + at + " is not in log " + directory
                + (oldest == null ? ", which is empty" : ", which begins at " + first()));
    }
}
