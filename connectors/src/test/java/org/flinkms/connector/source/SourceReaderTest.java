package org.flinkms.connector.source;

import org.flinkms.connector.format.Check;
import org.flinkms.connector.format.CommittedFile;
import org.flinkms.connector.format.CorruptLogException;
import org.flinkms.connector.format.Crc32c;
import org.flinkms.connector.format.PartitionWriter;
import org.flinkms.connector.format.Position;
import org.flinkms.connector.table.LogFiles;
import org.flinkms.connector.table.TableLayout;

import org.apache.flink.core.io.InputStatus;
import org.apache.flink.table.data.RowData;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** The source's reader: nothing lost, nothing twice, nothing uncommitted. Each method states one law. */
public final class SourceReaderTest {
    private static final Map<String, String> UNBOUNDED = Collections.singletonMap("scan.bounded", "false");
    private static final Map<String, String> BOUNDED = Collections.singletonMap("scan.bounded", "true");

    private final Path scratch;
    private int tables;

    private SourceReaderTest(Path scratch) {
        this.scratch = scratch;
    }

    public static void main(String[] args) throws Exception {
        SourceReaderTest test = new SourceReaderTest(Path.of(args[0]));
        test.aRestoredReaderGoesOnAfterTheLastRowAtAnyCut();
        test.uncommittedRowsAreNotThereYet();
        test.rowsOfAFrontendThatAreNotOnDiskAreNotThereYet();
        test.aReaderFollowsItsWriterIntoANewEpoch();
        test.aBoundedReaderEndsWhereThePartitionEndedAtItsStart();
        test.aModelIsItsBaseThenItsLog();
        test.theFinalStateOfAModelResumesAtAnyCut();
        test.aGroupHoldsWhatCompletedCheckpointsRead();
        test.aGroupHoldsWhatAllItsScansHaveRead();
        System.out.println("passed");
    }

    private Path table() throws Exception {
        return Files.createDirectories(scratch.resolve("table-" + tables++).resolve("rows"));
    }

    private static PartitionSplit fromStart(String partition, Position stop) {
        return PartitionSplit.ofLog(partition, LogPlace.START, stop);
    }

    private static List<Long> numbers(List<RowData> rows) {
        return rows.stream().map(row -> row.getLong(0)).collect(Collectors.toList());
    }

    private void aRestoredReaderGoesOnAfterTheLastRowAtAnyCut() throws Exception {
        Path path = table();
        List<Long> expected = new ArrayList<>();
        try (PartitionWriter writer = LogFiles.open(path, "w-0", Position.START)) {
            for (long first = 0; first < 9; first += 3) {
                LogFiles.append(writer, first, first + 1, first + 2);
                expected.addAll(Arrays.asList(first, first + 1, first + 2));
            }
            CommittedFile.advance(writer.directory(), writer.position());
        }
        for (int cut = 0; cut <= 9; cut++) {
            List<RowData> rows;
            List<PartitionSplit> splits;
            try (ReaderHarness before = new ReaderHarness(LogFiles.stream(path), UNBOUNDED,
                    Collections.singletonList(fromStart("w-0", null)))) {
                before.take(cut);
                splits = before.checkpoint(1);
                before.take(9);
                rows = new ArrayList<>(before.rows.subList(0, cut));
            }
            try (ReaderHarness after = new ReaderHarness(LogFiles.stream(path), UNBOUNDED, splits)) {
                Check.equal(after.take(100), InputStatus.NOTHING_AVAILABLE, "status at the end");
                rows.addAll(after.rows);
            }
            Check.equal(numbers(rows), expected, "rows of a reader restored after row " + cut);
        }
    }

    private void uncommittedRowsAreNotThereYet() throws Exception {
        Path path = table();
        try (PartitionWriter writer = LogFiles.open(path, "w-0", Position.START);
                ReaderHarness reader = new ReaderHarness(LogFiles.stream(path), UNBOUNDED,
                        Collections.singletonList(fromStart("w-0", null)))) {
            Position committed = LogFiles.append(writer, 1, 2);
            LogFiles.append(writer, 3);
            Check.equal(reader.take(100), InputStatus.NOTHING_AVAILABLE, "status before a commit");
            Check.equal(reader.rows.size(), 0, "rows before a commit");
            CommittedFile.advance(writer.directory(), committed);
            reader.await();
            reader.take(100);
            Check.equal(numbers(reader.rows), Arrays.asList(1L, 2L), "committed rows");
        }
    }

    /** Writes the mark of a partition, as a frontend does: anew with its first, then in place. */
    private static void mark(Path partition, Position position) throws Exception {
        ByteBuffer data = ByteBuffer.allocate(24).order(ByteOrder.LITTLE_ENDIAN);
        data.putInt(0x464D5344).putInt(0).putInt(position.epoch()).putInt(0).putLong(position.offset());
        data.putInt(4, Crc32c.of(data.array(), 8, 24));
        Files.write(partition.resolve("durable"), data.array());
    }

    private void rowsOfAFrontendThatAreNotOnDiskAreNotThereYet() throws Exception {
        Path path = table();
        try (PartitionWriter writer = LogFiles.open(path, "frontend-0", Position.START)) {
            Path partition = writer.directory();
            Files.delete(partition.resolve("committed"));
            Position synced = LogFiles.append(writer, 1, 2);
            mark(partition, synced);
            LogFiles.append(writer, 3);
            Check.equal(CommittedLog.end(partition), synced, "end of a partition of a frontend");
            try (ReaderHarness reader = new ReaderHarness(LogFiles.stream(path), UNBOUNDED,
                    Collections.singletonList(fromStart("frontend-0", null)))) {
                reader.take(100);
                Check.equal(numbers(reader.rows), Arrays.asList(1L, 2L), "rows that are on disk");
                reader.await();
                reader.take(100);
                Check.equal(reader.rows.size(), 2, "rows while nothing is synced");
                mark(partition, writer.position());
                reader.await();
                reader.take(100);
                Check.equal(numbers(reader.rows), Arrays.asList(1L, 2L, 3L), "rows after the next sync");
            }
            Files.delete(partition.resolve("durable"));
            Check.equal(CommittedLog.end(partition), writer.position(), "end where nobody says it");
            Files.write(partition.resolve("durable"), new byte[24]);
            Check.fails(CorruptLogException.class, "no position with a right checksum",
                    () -> CommittedLog.end(partition));
        }
    }

    private void aReaderFollowsItsWriterIntoANewEpoch() throws Exception {
        Path path = table();
        try (ReaderHarness reader = new ReaderHarness(LogFiles.stream(path), UNBOUNDED,
                Collections.singletonList(fromStart("w-0", null)))) {
            Position committed;
            try (PartitionWriter writer = LogFiles.open(path, "w-0", Position.START)) {
                committed = LogFiles.append(writer, 1);
                CommittedFile.advance(writer.directory(), committed);
                reader.take(100);
                LogFiles.append(writer, 666);
            }
            try (PartitionWriter restored = LogFiles.open(path, "w-0", committed)) {
                LogFiles.append(restored, 2);
                CommittedFile.advance(restored.directory(), restored.position());
            }
            reader.await();
            reader.take(100);
            Check.equal(numbers(reader.rows), Arrays.asList(1L, 2L), "rows across epochs");
        }
    }

    private void aBoundedReaderEndsWhereThePartitionEndedAtItsStart() throws Exception {
        Path path = table();
        try (PartitionWriter writer = LogFiles.open(path, "w-0", Position.START)) {
            Position stop = LogFiles.append(writer, 1, 2);
            LogFiles.append(writer, 3);
            CommittedFile.advance(writer.directory(), writer.position());
            List<PartitionSplit> splits = Arrays.asList(fromStart("w-0", stop), fromStart("gone", Position.START));
            try (ReaderHarness reader = new ReaderHarness(LogFiles.stream(path), BOUNDED, splits)) {
                reader.noMoreSplits();
                Check.equal(reader.take(100), InputStatus.END_OF_INPUT, "status at the end");
                Check.equal(numbers(reader.rows), Arrays.asList(1L, 2L), "rows of a bounded reader");
            }
        }
    }

    /** A model's table: base keys 1 to 4; key 2 changed, 3 deleted, 9 added, in two partitions or one. */
    private Path model(int partitions) throws Exception {
        Path path = table();
        LogFiles.createModel(path, partitions, 1, 2, 3, 4);
        if (partitions == 1) {
            try (PartitionWriter writer = LogFiles.open(path, "p0", Position.START)) {
                LogFiles.upsert(writer, 2, 20);
                LogFiles.upsert(writer, 2, 21);
                LogFiles.delete(writer, 3);
                LogFiles.upsert(writer, 9, 90);
                CommittedFile.advance(writer.directory(), writer.position());
            }
        }
        return path;
    }

    private static List<String> describe(List<RowData> rows) {
        return rows.stream()
                .map(row -> row.getRowKind().shortString() + row.getLong(0)
                        + (row.isNullAt(3) ? "" : "=" + row.getArray(3).getFloat(0)))
                .collect(Collectors.toList());
    }

    private void aModelIsItsBaseThenItsLog() throws Exception {
        TableLayout layout = LogFiles.model(model(1));
        ScanTable table = new ScanTable(layout);
        try (ReaderHarness reader = new ReaderHarness(layout, UNBOUNDED,
                Collections.singletonList(table.split("p0", null, null)))) {
            reader.take(100);
            Check.equal(describe(reader.rows), Arrays.asList("+I1=1.0", "+I2=2.0", "+I3=3.0", "+I4=4.0",
                    "+U2=20.0", "+U2=21.0", "-D3", "+U9=90.0"), "changelog of a model");
        }
        TableLayout split = LogFiles.model(model(2));
        ScanTable two = new ScanTable(split);
        Check.equal(new ArrayList<>(two.partitions()), Arrays.asList("p0", "p1"), "partitions without a log");
        try (ReaderHarness reader = new ReaderHarness(split, UNBOUNDED,
                Arrays.asList(two.split("p0", null, null), two.split("p1", null, null)))) {
            reader.take(100);
            Check.equal(describe(reader.rows).stream().sorted().collect(Collectors.toList()),
                    Arrays.asList("+I1=1.0", "+I2=2.0", "+I3=3.0", "+I4=4.0"), "base over two partitions");
        }
    }

    private void theFinalStateOfAModelResumesAtAnyCut() throws Exception {
        TableLayout layout = LogFiles.model(model(1));
        ScanTable table = new ScanTable(layout);
        List<PartitionSplit> start = Collections.singletonList(table.split("p0", null, table.end("p0")));
        List<String> expected = Arrays.asList("+I1=1.0", "+I2=21.0", "+I4=4.0", "+I9=90.0");
        for (int cut = 0; cut <= expected.size(); cut++) {
            List<RowData> rows;
            List<PartitionSplit> splits;
            try (ReaderHarness before = new ReaderHarness(layout, BOUNDED, start)) {
                before.take(cut);
                splits = before.checkpoint(1);
                rows = before.rows;
            }
            try (ReaderHarness after = new ReaderHarness(layout, BOUNDED, splits)) {
                after.noMoreSplits();
                Check.equal(after.take(100), InputStatus.END_OF_INPUT, "status at the end");
                rows.addAll(after.rows);
            }
            Check.equal(describe(rows), expected, "final state resumed after row " + cut);
        }
    }

    private void aGroupHoldsWhatCompletedCheckpointsRead() throws Exception {
        Path path = table();
        LogPlace first = new LogPlace(new Position(1, 64), 2);
        LogPlace second = new LogPlace(new Position(1, 128), 0);
        try (ScanGroup group = new ScanGroup(path, "g")) {
            group.report(1, Collections.singletonMap("w-0", first));
            Check.that(!ScanGroup.read(path, "g").isPresent(), "a checkpoint that is not complete was committed");
            group.report(2, Collections.singletonMap("w-0", second));
            group.complete(1);
            Check.equal(ScanGroup.read(path, "g").get(), Collections.singletonMap("w-0", first), "after checkpoint 1");
        }
        try (ScanGroup group = new ScanGroup(path, "g")) {
            group.complete(7);
            Check.equal(ScanGroup.read(path, "g").get(), Collections.singletonMap("w-0", first), "after a restart");
            group.report(8, Collections.singletonMap("w-0", second));
            group.complete(8);
            Check.equal(ScanGroup.read(path, "g").get(), Collections.singletonMap("w-0", second), "after checkpoint 8");
        }
    }

    private void aGroupHoldsWhatAllItsScansHaveRead() throws Exception {
        Path path = table();
        Path other = Files.createSymbolicLink(scratch.resolve("link-" + tables), path);
        LogPlace near = new LogPlace(new Position(1, 64), 0);
        LogPlace inside = new LogPlace(new Position(1, 64), 3);
        LogPlace far = new LogPlace(new Position(1, 256), 0);
        try (ScanGroup slow = new ScanGroup(other, "g")) {
            try (ScanGroup fast = new ScanGroup(path, "g")) {
                fast.report(1, Map.of("w-0", far, "w-1", far));
                fast.complete(1);
                Check.equal(ScanGroup.read(path, "g").get(), Collections.emptyMap(), "one scan has read nothing");
                slow.report(1, Map.of("w-0", near));
                slow.complete(1);
                Check.equal(ScanGroup.read(path, "g").get(), Map.of("w-0", near), "what both have read");
                fast.report(2, Map.of("w-0", far, "w-1", far));
                fast.complete(2);
                Check.equal(ScanGroup.read(path, "g").get(), Map.of("w-0", near), "the scan ahead committed last");
                slow.report(2, Map.of("w-0", inside));
                slow.complete(2);
                Check.equal(ScanGroup.read(path, "g").get(), Map.of("w-0", inside), "rows of a frame");
            }
            slow.report(3, Map.of("w-0", far, "w-1", near));
            slow.complete(3);
            Check.equal(ScanGroup.read(path, "g").get(), Map.of("w-0", far, "w-1", near), "a scan that ended holds nothing back");
        }
        try (ScanGroup again = new ScanGroup(path, "g"); ScanGroup beside = new ScanGroup(path, "g")) {
            again.report(4, Map.of("w-1", far));
            again.complete(4);
            beside.complete(4);
            Check.equal(ScanGroup.read(path, "g").get(), Map.of("w-0", far, "w-1", near), "after a restart of both");
        }
    }
}
