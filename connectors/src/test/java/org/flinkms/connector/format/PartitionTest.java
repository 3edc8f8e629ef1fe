package org.flinkms.connector.format;

import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;

/** Writing and reading partitions: tails, epochs, segments, corruption. Each method states one law. */
final class PartitionTest {
    private static final long NOW = 1_763_000_000_000_000L;

    private final Path scratch;
    private int directories;

    PartitionTest(Path scratch) {
        this.scratch = scratch;
    }

    void run() throws Exception {
        readersFollowTheWriter();
        aNewEpochSupersedesTheTail();
        supersededEpochsAreSkipped();
        anOlderCheckpointMayBeRestored();
        tornTailsAreNotThereAtAnyCut();
        damageBeforeTheEndIsAnError();
        segmentsRollOver();
        readersStopAtTheLimit();
        committedOnlyMovesForward();
        aWriterThatIsCutOffFails();
        writersGoOnAfterWhatIsThere();
        retentionIsNoticed();
        streamsAreReadFromTheEarliestRow();
        whatABaseContainsIsKept();
    }

    private Path directory() {
        return scratch.resolve("partition-" + directories++);
    }

    private static byte[] block(long... values) {
        BlockBuilder block = new BlockBuilder(Collections.singletonList(ColumnType.of(ElementType.BIGINT)));
        for (long value : values) {
            block.column(0).putLong(value);
        }
        return block.build();
    }

    private static Position append(PartitionWriter writer, long value) throws Exception {
        return writer.append(Frame.APPEND, 1, block(value), NOW);
    }

    private static PartitionWriter open(Path directory, Position parent) throws Exception {
        return PartitionWriter.open(directory, 0, parent, NOW);
    }

    /** What a reader hands out until there is nothing more: values, and "<" with a position for a rewind. */
    private static List<String> drain(PartitionReader reader, Position limit) throws Exception {
        List<String> seen = new ArrayList<>();
        for (PartitionReader.Entry entry = reader.poll(limit); entry != null; entry = reader.poll(limit)) {
            if (entry.isRewind()) {
                seen.add("<" + entry.end());
                continue;
            }
            BlockReader block = entry.frame().block();
            for (int row = 0; row < block.rows(); row++) {
                seen.add(Long.toString(block.getLong(0, row)));
            }
        }
        return seen;
    }

    private static void expect(PartitionReader reader, String... expected) throws Exception {
        Check.equal(drain(reader, null).toArray(), expected, "what is read");
    }

    private static Path segment(Path directory, int epoch, long start) {
        return directory.resolve(String.format("%08d-%012d.log", epoch, start));
    }

    private void readersFollowTheWriter() throws Exception {
        Path directory = directory();
        try (PartitionReader reader = new PartitionReader(directory, Position.START)) {
            expect(reader);
            try (PartitionWriter writer = open(directory, Position.START)) {
                expect(reader);
                Position middle = append(writer, 1);
                expect(reader, "1");
                append(writer, 2);
                append(writer, 3);
                expect(reader, "2", "3");
                Check.equal(reader.position(), writer.position(), "position");
                try (PartitionReader late = new PartitionReader(directory, middle)) {
                    expect(late, "2", "3");
                }
            }
        }
    }

    private void aNewEpochSupersedesTheTail() throws Exception {
        Path directory = directory();
        PartitionWriter first = open(directory, Position.START);
        Position checkpoint = append(first, 1);
        append(first, 2);
        try (PartitionReader ahead = new PartitionReader(directory, Position.START);
                PartitionReader behind = new PartitionReader(directory, Position.START)) {
            expect(ahead, "1", "2");
            PartitionWriter second = open(directory, checkpoint);
            append(first, 3);
            append(second, 4);
            expect(ahead, "3", "<[1, " + checkpoint.offset() + "]", "4");
            expect(behind, "1", "4");
            Check.equal(ahead.position(), second.position(), "position");
            try (PartitionReader restored = new PartitionReader(directory, first.position())) {
                expect(restored, "<[1, " + checkpoint.offset() + "]", "4");
            }
            second.close();
        }
        first.close();
    }

    private void supersededEpochsAreSkipped() throws Exception {
        Path directory = directory();
        PartitionWriter writer = open(directory, Position.START);
        Position checkpoint = append(writer, 1);
        writer.close();
        for (int attempt = 2; attempt < 5; attempt++) {
            writer = open(directory, checkpoint);
            append(writer, attempt);
            writer.close();
        }
        try (PartitionReader reader = new PartitionReader(directory, Position.START);
                PartitionReader lost = new PartitionReader(directory, new Position(3, 8))) {
            expect(reader, "1", "4");
            expect(lost, "<[1, " + checkpoint.offset() + "]", "4");
        }
    }

    private void anOlderCheckpointMayBeRestored() throws Exception {
        Path directory = directory();
        PartitionWriter writer = open(directory, Position.START);
        Position early = append(writer, 1);
        Position late = append(writer, 2);
        writer.close();
        open(directory, early).close();
        writer = open(directory, late);
        append(writer, 3);
        writer.close();
        try (PartitionReader reader = new PartitionReader(directory, Position.START)) {
            expect(reader, "1", "2", "3");
        }
    }

    private void tornTailsAreNotThereAtAnyCut() throws Exception {
        Path directory = directory();
        PartitionWriter writer = open(directory, Position.START);
        Position whole = append(writer, 1);
        Position end = append(writer, 2);
        writer.close();
        Path file = segment(directory, 1, 0);
        byte[] bytes = Files.readAllBytes(file);
        int tail = SegmentHeader.BYTES + (int) whole.offset();
        for (int length = tail; length < bytes.length; length++) {
            Files.write(file, Arrays.copyOf(bytes, length));
            tornTail(directory, whole);
            boolean lengthIsKnown = length == tail || length >= tail + 12;
            byte[] zeros = Arrays.copyOf(Arrays.copyOf(bytes, length), bytes.length);
            if (lengthIsKnown && !Arrays.equals(zeros, bytes)) {
                Files.write(file, zeros);
                tornTail(directory, whole);
            }
        }
        Files.write(file, bytes);
        Check.equal(PartitionReader.endOf(directory), end, "end");
    }

    private static void tornTail(Path directory, Position whole) throws Exception {
        try (PartitionReader reader = new PartitionReader(directory, Position.START)) {
            expect(reader, "1");
            expect(reader);
        }
        Check.equal(PartitionReader.endOf(directory), whole, "end");
    }

    private void damageBeforeTheEndIsAnError() throws Exception {
        Path directory = directory();
        PartitionWriter writer = open(directory, Position.START);
        Position first = append(writer, 1);
        append(writer, 2);
        writer.close();
        Path file = segment(directory, 1, 0);
        byte[] bytes = Files.readAllBytes(file);
        for (int at = SegmentHeader.BYTES; at < SegmentHeader.BYTES + first.offset(); at++) {
            byte[] damaged = bytes.clone();
            damaged[at] ^= 1;
            Files.write(file, damaged);
            Check.fails(CorruptLogException.class, "XX001: log file " + file + " is corrupt at byte 64",
                    () -> drain(new PartitionReader(directory, Position.START), null));
        }
        Files.write(file, bytes);
        open(directory, new Position(1, 2 * first.offset())).close();
        Files.write(file, Arrays.copyOf(bytes, bytes.length - 8));
        Check.fails(CorruptLogException.class, "the log goes on",
                () -> drain(new PartitionReader(directory, Position.START), null));
        bytes[20] ^= 1;
        Files.write(file, bytes);
        Check.fails(CorruptLogException.class, "segment header",
                () -> drain(new PartitionReader(directory, Position.START), null));
    }

    private void segmentsRollOver() throws Exception {
        Path directory = directory();
        byte[] large = new byte[20 << 20];
        try (PartitionWriter writer = open(directory, Position.START);
                PartitionReader reader = new PartitionReader(directory, Position.START)) {
            BlockBuilder block = new BlockBuilder(Collections.singletonList(ColumnType.of(ElementType.BYTES)));
            for (int i = 0; i < 7; i++) {
                block.column(0).putBytes(large);
                writer.append(Frame.APPEND, 1, block.build(), NOW);
            }
            long frame = writer.position().offset() / 7;
            for (int i = 1; i <= 7; i++) {
                Check.equal(reader.poll().end(), new Position(1, i * frame), "end of frame " + i);
            }
            Check.that(reader.poll() == null, "nothing follows");
            Check.that(Files.exists(segment(directory, 1, 3 * frame)), "the second segment starts after 3 frames");
            Check.that(Files.exists(segment(directory, 1, 6 * frame)), "the third segment starts after 6 frames");
            Files.delete(segment(directory, 1, 3 * frame));
            Check.fails(FormatException.class, "",
                    () -> drain(new PartitionReader(directory, new Position(1, 3 * frame)), null));
        }
    }

    private void readersStopAtTheLimit() throws Exception {
        Path directory = directory();
        PartitionWriter first = open(directory, Position.START);
        Position one = append(first, 1);
        Position two = append(first, 2);
        Check.equal(CommittedFile.read(directory), Optional.of(new Position(1, 0)), "committed");
        try (PartitionReader reader = new PartitionReader(directory, Position.START)) {
            Check.equal(drain(reader, new Position(1, 0)).toArray(), new Object[0], "before the first");
            Check.equal(drain(reader, one).toArray(), new Object[] {"1"}, "up to the first");
            PartitionWriter second = open(directory, one);
            append(second, 3);
            try (PartitionReader fresh = new PartitionReader(directory, one)) {
                Check.equal(drain(fresh, two).toArray(), new Object[0], "a limit in a superseded tail");
            }
            Check.equal(drain(reader, second.position()).toArray(), new Object[] {"3"}, "a limit in the new epoch");
            second.close();
        }
        first.close();
    }

    private void committedOnlyMovesForward() throws Exception {
        Path directory = directory();
        Files.createDirectories(directory);
        Check.equal(CommittedFile.read(directory), Optional.empty(), "committed");
        CommittedFile.advance(directory, new Position(2, 8));
        CommittedFile.advance(directory, new Position(1, 100));
        CommittedFile.advance(directory, new Position(2, 0));
        Check.equal(CommittedFile.read(directory), Optional.of(new Position(2, 8)), "committed");
        Check.equal(new String(Files.readAllBytes(directory.resolve("committed")), StandardCharsets.UTF_8),
                "{\"epoch\":2,\"offset\":8}", "the file");
    }

    private void aWriterThatIsCutOffFails() throws Exception {
        Path directory = directory();
        PartitionWriter first = open(directory, Position.START);
        append(first, 1);
        first.sync();
        PartitionWriter second = open(directory, PartitionWriter.lastPosition(directory));
        append(first, 2);
        Check.fails(FormatException.class, "another writer has opened epoch 2", first::sync);
        second.sync();
        first.close();
        second.close();
    }

    private void writersGoOnAfterWhatIsThere() throws Exception {
        Path directory = directory();
        Check.equal(PartitionWriter.lastPosition(directory), Position.START, "last position of nothing");
        PartitionWriter writer = open(directory, Position.START);
        Position whole = append(writer, 1);
        append(writer, 2);
        writer.close();
        Check.equal(PartitionWriter.lastPosition(directory), new Position(1, 0), "committed is what counts");
        Files.delete(directory.resolve("committed"));
        try (RandomAccessFile file = new RandomAccessFile(segment(directory, 1, 0).toFile(), "rw")) {
            file.setLength(file.length() - 8);
        }
        Check.equal(PartitionWriter.lastPosition(directory), whole, "else what is whole");
        Check.fails(FormatException.class, "does not reach", () -> open(directory, new Position(1, 1 << 20)));
        Check.fails(FormatException.class, "does not reach", () -> open(directory, new Position(7, 0)));
    }

    private void retentionIsNoticed() throws Exception {
        Path directory = directory();
        PartitionWriter writer = open(directory, Position.START);
        Position end = append(writer, 1);
        writer.close();
        writer = open(directory, end);
        append(writer, 2);
        writer.close();
        Files.delete(segment(directory, 1, 0));
        try (PartitionReader all = new PartitionReader(directory, Position.START);
                PartitionReader after = new PartitionReader(directory, end)) {
            expect(all, "2");
            expect(after, "2");
        }
        Check.fails(FormatException.class, "which begins at [2, 0]",
                () -> drain(new PartitionReader(directory, new Position(1, 8)), null));
    }

    /** What retention takes of a stream is skipped, wherever a reader stood; a partition that is gone has no more. */
    private void streamsAreReadFromTheEarliestRow() throws Exception {
        Path directory = directory();
        PartitionWriter writer = open(directory, Position.START);
        Position end = append(writer, 1);
        writer.close();
        writer = open(directory, end);
        append(writer, 2);
        writer.close();
        Files.delete(segment(directory, 1, 0));
        try (PartitionReader all = PartitionReader.ofStream(directory, Position.START);
                PartitionReader after = PartitionReader.ofStream(directory, end);
                PartitionReader before = PartitionReader.ofStream(directory, new Position(1, 8))) {
            expect(all, "2");
            expect(after, "2");
            expect(before, "<[2, 0]", "2");
            Files.move(directory, directory.resolveSibling(".retired"));
            expect(all);
        }
        try (PartitionReader restored = PartitionReader.ofStream(directory, end)) {
            expect(restored);
        }
        Check.fails(FormatException.class, "which is empty",
                () -> drain(new PartitionReader(directory, end), null));
    }

    private void whatABaseContainsIsKept() throws Exception {
        Path directory = directory();
        Position first;
        Position second;
        try (PartitionWriter writer = open(directory, Position.START)) {
            first = append(writer, 1);
            second = append(writer, 2);
        }
        PartitionWriter.requireKeeps(directory, first, second);
        PartitionWriter.requireKeeps(directory, second, second);
        Position child;
        try (PartitionWriter writer = open(directory, second)) {
            PartitionWriter.requireKeeps(directory, writer.position(), second);
            child = append(writer, 3);
        }
        PartitionWriter.requireKeeps(directory, first, child);
        for (Position[] lost : new Position[][] {{second, first}, {child, second}, {first, Position.START}}) {
            Check.fails(CorruptLogException.class, "XX001: log " + directory + ": a base contains the log up to "
                    + lost[0] + ", past position " + lost[1], () ->
                    PartitionWriter.requireKeeps(directory, lost[0], lost[1]));
        }
        open(directory, first).close();
        Check.fails(CorruptLogException.class, "start from a later one", () ->
                PartitionWriter.requireKeeps(directory, child, new Position(3, 0)));
        PartitionWriter.requireKeeps(directory, first, new Position(3, 0));
    }
}
