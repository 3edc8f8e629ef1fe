package org.flinkms.connector.sink;

import org.flinkms.connector.format.BlockBuilder;
import org.flinkms.connector.format.Bundle;
import org.flinkms.connector.format.Check;
import org.flinkms.connector.format.CommittedFile;
import org.flinkms.connector.format.Json;
import org.flinkms.connector.format.ModelSchema;
import org.flinkms.connector.format.PartitionReader;
import org.flinkms.connector.format.Position;
import org.flinkms.connector.table.Manifest;

import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.types.Row;
import org.apache.flink.util.ExceptionUtils;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;

/**
 * Pushes to a model: no delta is lost or added twice, whatever fails.
 *
 * <p>Deltas are small integers, whose sums are exact in any order; so the rows can be compared, not only counted.
 */
final class PushTest {
    static final TypeInformation<Row> BUNDLES =
            Types.ROW_NAMED(new String[] {"bundle"}, Types.PRIMITIVE_ARRAY(Types.BYTE));
    static final String VERSION = "{\"tables\": [{\"name\": \"users\", \"key\": \"int64\", \"width\": 3, "
            + "\"initial\": [1.0, 0.0, 0.5]}, {\"name\": \"items\", \"key\": \"text\", \"width\": 2}], "
            + "\"partitions\": 3}";
    private static final int BUNDLE_ROWS = 10;
    private static final int BUNDLE_COUNT = 10_000;
    private static final String FROM_THE_BEGINNING = "{\"users\": {\"p0\": [0, 0], \"p1\": [0, 0], \"p2\": [0, 0]}, "
            + "\"items\": {\"p0\": [0, 0], \"p1\": [0, 0], \"p2\": [0, 0]}}";
    private static final float[] USER_INITIAL = {1, 0, 0.5f};

    private final Path scratch;

    PushTest(Path scratch) {
        this.scratch = scratch;
    }

    void run() throws Exception {
        noDeltaIsLostThroughFailures();
        learningGoesOnFromBaseAndLog();
        whatABaseContainsIsNeverSuperseded();
        deltasThatAreNotFiniteAreLeftOut();
    }

    private Path version(String name) throws Exception {
        Path version = Files.createDirectories(scratch.resolve(name));
        Files.write(version.resolve(ModelSchema.FILE), VERSION.getBytes());
        return version;
    }

    /** Bundle number {@code index}: five users, five items, some of which stand for two deltas. */
    static Row bundle(long index) throws Exception {
        ModelSchema.Table[] tables = ModelSchema.parseTables(
                Json.parse(VERSION, "test").get("tables"), "test")
                .toArray(new ModelSchema.Table[0]);
        Bundle bundle = new Bundle();
        for (int t = 0; t < tables.length; t++) {
            BlockBuilder block = new BlockBuilder(PushBlock.columns(tables[t]));
            for (int i = 0; i < BUNDLE_ROWS / 2; i++) {
                if (t == 0) {
                    block.column(PushBlock.KEY).putLong(key(index, i));
                } else {
                    block.column(PushBlock.KEY).putBytes(("item " + key(index, i)).getBytes());
                }
                block.column(PushBlock.COUNT).putInt(count(index, i));
                float[] delta = new float[tables[t].width()];
                Arrays.fill(delta, delta(index, i));
                block.column(PushBlock.DELTA).putVector(delta, 0);
            }
            bundle.addBlock(t, block.build());
        }
        return Row.of(bundle.encode());
    }

    private static long key(long index, int i) {
        return Math.floorMod(new Random(index).nextInt() + 131L * i, 997);
    }

    private static int count(long index, int i) {
        return (index + i) % 7 == 0 ? 2 : 1;
    }

    private static float delta(long index, int i) {
        return (index + i) % 5 - 2;
    }

    private static LocalJobs job(Path version, int failures, String options) {
        return new LocalJobs(false, 2)
                .generate(BUNDLE_COUNT, 3_000, failures, PushTest::bundle, BUNDLES)
                .target(version, "bundle BYTES", ", 'merge' = 'add'" + options);
    }

    /** Compares what is committed with what {@code runs} runs of the generator have pushed. */
    private static void verify(Path version, int runs, float[] userInitial) throws Exception {
        for (String table : new String[] {"users", "items"}) {
            Map<Object, long[]> expected = new HashMap<>();
            for (long index = 0; index < BUNDLE_COUNT; index++) {
                for (int i = 0; i < BUNDLE_ROWS / 2; i++) {
                    Object key = table.equals("users") ? (Object) key(index, i) : "item " + key(index, i);
                    long[] sums = expected.computeIfAbsent(key, k -> new long[2]);
                    sums[0] += count(index, i);
                    sums[1] += (long) delta(index, i);
                }
            }
            int found = 0;
            for (int partition = 0; partition < 3; partition++) {
                LogImage image = LogImage.committed(version.resolve(table + "/log/p" + partition));
                for (Map.Entry<Object, LogImage.Record> row : image.rows.entrySet()) {
                    long[] sums = expected.get(row.getKey());
                    String what = "of " + table + " " + row.getKey();
                    Check.equal(row.getValue().sequence, runs * sums[0], "sequence " + what);
                    float[] vector = row.getValue().vector();
                    for (int i = 0; i < vector.length; i++) {
                        float initial = table.equals("users") ? userInitial[i] : 0;
                        Check.equal(vector[i], initial + runs * sums[1], "element " + i + " " + what);
                    }
                    found++;
                }
            }
            Check.equal(found, expected.size(), "rows of " + table);
        }
    }

    private void noDeltaIsLostThroughFailures() throws Exception {
        Path version = version("push");
        Map<Path, LogImage> images = new HashMap<>();
        AtomicBoolean done = new AtomicBoolean();
        Throwable[] problem = new Throwable[1];
        Thread follower = new Thread(() -> follow(version, images, done, problem), "follower");
        follower.start();
        long started = System.nanoTime();
        job(version, 3, "").run("INSERT INTO target SELECT bundle FROM generated");
        System.out.printf("push: %d deltas, 3 failures, %.1f s%n",
                BUNDLE_COUNT * BUNDLE_ROWS, (System.nanoTime() - started) / 1e9);
        done.set(true);
        follower.join();
        if (problem[0] != null) {
            throw new AssertionError("the reader beside the job failed", problem[0]);
        }
        Check.equal(FailAfterCheckpoint.REMAINING.get(), 0, "failures that did not happen");
        verify(version, 1, USER_INITIAL);
        int rewinds = 0;
        for (Map.Entry<Path, LogImage> entry : images.entrySet()) {
            LogImage committed = LogImage.committed(entry.getKey());
            Check.equal(entry.getValue().rows.keySet(), committed.rows.keySet(), "keys beside the job");
            committed.rows.forEach((key, row) ->
                    Check.equal(entry.getValue().rows.get(key).vector(), row.vector(), "row of " + key));
            rewinds += entry.getValue().rewinds;
        }
        System.out.println("push: a reader beside the job met " + rewinds + " rewinds");
        Check.that(rewinds > 0, "a reader beside the job met a superseded tail");
    }

    /** Follows every partition of a version, uncommitted frames included, until all is read. */
    private static void follow(Path version, Map<Path, LogImage> images, AtomicBoolean done, Throwable[] problem) {
        Map<Path, PartitionReader> readers = new HashMap<>();
        for (String table : new String[] {"users", "items"}) {
            for (int partition = 0; partition < 3; partition++) {
                Path path = version.resolve(table + "/log/p" + partition);
                images.put(path, new LogImage());
                readers.put(path, new PartitionReader(path, Position.START));
            }
        }
        try {
            boolean last = false;
            while (!last) {
                last = done.get();
                for (Map.Entry<Path, PartitionReader> reader : readers.entrySet()) {
                    images.get(reader.getKey()).follow(reader.getValue(), reader.getKey(), null);
                }
                Thread.sleep(2);
            }
        } catch (Exception | AssertionError e) {
            problem[0] = e;
        }
    }

    private void learningGoesOnFromBaseAndLog() throws Exception {
        Path version = version("resumed");
        BaseTest.write(version, 997, USER_INITIAL);
        job(version, 0, "").run("INSERT INTO target SELECT bundle FROM generated");
        verify(version, 1, USER_INITIAL);
        job(version, 1, "").run("INSERT INTO target SELECT bundle FROM generated");
        verify(version, 2, USER_INITIAL);
        job(version, 1, ", 'sink.start-positions' = '" + FROM_THE_BEGINNING + "'")
                .run("INSERT INTO target SELECT bundle FROM generated");
        verify(version, 1, USER_INITIAL);
    }

    /** The second table's last partition has a base: nothing of any is touched, whichever subtask owns it. */
    private void whatABaseContainsIsNeverSuperseded() throws Exception {
        Path version = scratch.resolve("resumed");
        Path manifest = version.resolve("items/manifest.json");
        Position base = CommittedFile.read(version.resolve("items/log/p2")).get();
        byte[] before = Files.readAllBytes(manifest);
        Files.write(manifest, new String(before).replaceAll("\"positions\" *: *\\{\\}",
                "\"positions\": {\"p2\": [" + base.epoch() + ", " + base.offset() + "]}").getBytes());
        Check.equal(Manifest.read(version.resolve("items")).get().position("p2"), base, "position of the base");
        Map<Path, String> files = logs(version);
        try {
            job(version, 0, ", 'sink.start-positions' = '" + FROM_THE_BEGINNING + "'")
                    .run("INSERT INTO target SELECT bundle FROM generated");
            throw new AssertionError("a job that supersedes what a base contains has run");
        } catch (ExecutionException e) {
            String reason = ExceptionUtils.stringifyException(e);
            Check.that(reason.contains("XX001: log " + version.resolve("items/log/p2") + ": a base contains the log up to "
                    + base + ", past position " + Position.START), reason);
        }
        Check.equal(logs(version), files, "files of the logs");
        Files.write(manifest, before);
    }

    /** Every segment and committed position of a version, with its size or content. */
    private static Map<Path, String> logs(Path version) throws Exception {
        Map<Path, String> files = new TreeMap<>();
        try (Stream<Path> all = Files.walk(version).filter(Files::isRegularFile)) {
            for (Path file : (Iterable<Path>) all::iterator) {
                files.put(file, file.endsWith("committed") ? new String(Files.readAllBytes(file)) : "" + Files.size(file));
            }
        }
        return files;
    }

    private void deltasThatAreNotFiniteAreLeftOut() throws Exception {
        Path version = version("rejected");
        new LocalJobs(false, 2)
                .generate(60, 1_000, 0, PushTest::bundleWithNaN, BUNDLES)
                .target(version, "bundle BYTES", ", 'merge' = 'add', 'sink.flush-interval' = '0 ms'")
                .run("INSERT INTO target SELECT bundle FROM generated");
        LogImage image = new LogImage();
        for (int partition = 0; partition < 3; partition++) {
            image.rows.putAll(LogImage.committed(version.resolve("users/log/p" + partition)).rows);
            Check.equal(CommittedFile.read(version.resolve("items/log/p" + partition)).get().offset(), 0L,
                    "bytes of a table nobody pushed to");
        }
        Check.equal(image.rows.size(), 1, "rows");
        Check.equal(image.rows.get(5L).sequence, 20L, "sequence");
        Check.equal(image.rows.get(5L).vector(), new float[] {21, 20, 20.5f}, "row");
    }

    /** Every third bundle is fine, the others hold NaN or infinity. */
    private static Row bundleWithNaN(long index) throws Exception {
        float odd = index % 3 == 0 ? 1 : index % 3 == 1 ? Float.NaN : Float.POSITIVE_INFINITY;
        ModelSchema.Table users = ModelSchema.parseTables(
                Json.parse(VERSION, "test").get("tables"), "test").get(0);
        BlockBuilder block = new BlockBuilder(PushBlock.columns(users));
        block.column(PushBlock.KEY).putLong(5);
        block.column(PushBlock.COUNT).putInt(1);
        block.column(PushBlock.DELTA).putVector(new float[] {1, 1, odd}, 0);
        Bundle bundle = new Bundle();
        bundle.addBlock(0, block.build());
        return Row.of(bundle.encode());
    }
}
