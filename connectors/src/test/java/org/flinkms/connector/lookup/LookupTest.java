package org.flinkms.connector.lookup;

import org.flinkms.connector.format.Check;
import org.flinkms.connector.format.PartitionWriter;
import org.flinkms.connector.format.Position;
import org.flinkms.connector.table.LogFiles;
import org.flinkms.connector.table.TableLayout;

import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.stream.LongStream;

/** Looked-up rows follow the log, and what a restored writer takes back is put right. Each method states one law. */
public final class LookupTest {
    private static final long SECONDS_MAX = 10;

    private final Path scratch;
    private int tables;

    private LookupTest(Path scratch) {
        this.scratch = scratch;
    }

    public static void main(String[] args) throws Exception {
        LookupTest test = new LookupTest(Path.of(args[0]));
        test.everyKeyOfABaseIsFoundAndNoOther();
        test.rowsOfASupersededEpochAreRepaired();
        test.aLiveTableFollowsItsWriter();
        test.lookupsOfOneTableShareIt();
        System.out.println("passed");
    }

    private Path model(long... keys) throws Exception {
        Path path = Files.createDirectories(scratch.resolve("version-" + tables++).resolve("item"));
        LogFiles.createModel(path, 1, keys);
        return path;
    }

    private static Float first(RowData row) {
        return row == null ? null : row.getArray(3).getFloat(0);
    }

    private static void follow(TableState state) throws IOException {
        state.discover();
        while (state.refresh()) {
            continue;
        }
    }

    private void everyKeyOfABaseIsFoundAndNoOther() throws Exception {
        long[] keys = LongStream.range(0, 5000).map(i -> i * 1_000_003 - 2_000_000_000L).toArray();
        try (TableState state = new TableState(LogFiles.model(model(keys)))) {
            for (long key : keys) {
                Check.equal(first(state.get(key)), (float) key, "row of key " + key);
                Check.equal(state.get(key + 1), null, "row of an unknown key");
            }
        }
    }

    private void rowsOfASupersededEpochAreRepaired() throws Exception {
        Path path = model(1, 2, 3, 4);
        try (TableState state = new TableState(LogFiles.model(path))) {
            Position checkpoint;
            try (PartitionWriter writer = LogFiles.open(path, "p0", Position.START)) {
                LogFiles.upsert(writer, 1, 10);
                LogFiles.upsert(writer, 4, 40);
                checkpoint = LogFiles.upsert(writer, 8, 80);
                LogFiles.upsert(writer, 1, 11);
                LogFiles.delete(writer, 2);
                LogFiles.upsert(writer, 9, 90);
                LogFiles.delete(writer, 8);
            }
            follow(state);
            Check.equal(first(state.get(1L)), 11f, "row changed after the checkpoint");
            Check.equal(state.get(2L), null, "row deleted after the checkpoint");
            Check.equal(first(state.get(9L)), 90f, "row added after the checkpoint");
            Check.equal(state.get(8L), null, "row added before and deleted after the checkpoint");
            try (PartitionWriter restored = LogFiles.open(path, "p0", checkpoint)) {
                LogFiles.upsert(restored, 3, 30);
            }
            follow(state);
            Check.equal(first(state.get(1L)), 10f, "row as before the checkpoint");
            Check.equal(first(state.get(2L)), 2f, "row as in the base");
            Check.equal(state.get(9L), null, "row that was never committed");
            Check.equal(first(state.get(8L)), 80f, "row whose deletion was never committed");
            Check.equal(first(state.get(4L)), 40f, "row the superseded epoch did not touch");
            Check.equal(first(state.get(3L)), 30f, "row of the new epoch");
        }
    }

    private void aLiveTableFollowsItsWriter() throws Exception {
        Path path = model(1);
        LiveTable table = new LiveTable(LogFiles.model(path), Duration.ofMillis(2));
        try (PartitionWriter writer = LogFiles.open(path, "p0", Position.START)) {
            LogFiles.upsert(writer, 7, 70);
            long deadline = System.nanoTime() + SECONDS_MAX * 1_000_000_000L;
            while (table.get(7L) == null) {
                Check.that(System.nanoTime() < deadline, "an update did not arrive within " + SECONDS_MAX + " s");
                Thread.sleep(1);
            }
            Check.equal(first(table.get(7L)), 70f, "updated row");
        } finally {
            table.close();
        }
    }

    private void lookupsOfOneTableShareIt() throws Exception {
        TableLayout layout = LogFiles.model(model(1));
        LookupConfig config = new LookupConfig(Duration.ofMillis(2));
        LiveTable held = SharedTables.acquire(layout, Duration.ofSeconds(1));
        KeyLookupFunction function = new KeyLookupFunction(layout, config, new int[] {3, 0});
        function.open(null);
        Check.that(SharedTables.acquire(layout, Duration.ofSeconds(1)) == held, "a second user has a table of its own");
        RowData row = function.lookup(GenericRowData.of(1L)).iterator().next();
        Check.equal(row.getArray(0).getFloat(0), 1f, "projected vector");
        Check.equal(row.getLong(1), 1L, "projected key");
        Check.equal(function.lookup(GenericRowData.of((Object) null)).size(), 0, "rows of a NULL key");
        function.close();
        SharedTables.release(layout);
        SharedTables.release(layout);
        LiveTable fresh = SharedTables.acquire(layout, Duration.ofSeconds(1));
        Check.that(fresh != held, "a table nobody uses was not closed");
        SharedTables.release(layout);
    }
}
