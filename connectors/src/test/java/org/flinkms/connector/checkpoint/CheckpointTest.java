package org.flinkms.connector.checkpoint;

import org.flinkms.connector.format.BlockReader;
import org.flinkms.connector.format.Check;
import org.flinkms.connector.format.CommittedFile;
import org.flinkms.connector.format.Frame;
import org.flinkms.connector.format.Json;
import org.flinkms.connector.format.PartitionReader;
import org.flinkms.connector.format.PartitionWriter;
import org.flinkms.connector.format.Position;
import org.flinkms.connector.table.LogFiles;

import org.apache.flink.api.common.RuntimeExecutionMode;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ExecutionOptions;
import org.apache.flink.configuration.ExternalizedCheckpointRetention;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * Jobs that go on, without each other's state, from what a checkpoint or savepoint of the last one says: no row of two
 * streams is counted twice or left out, while rows keep coming and other connectors read and write beside them.
 * {@code java … CheckpointTest <empty directory>}.
 */
public final class CheckpointTest {
    private static final int KEYS = 7;
    /** Of a table whose sink has no option 'sink.partitions'. */
    private static final int PARTITIONS = 4;
    private static final long WAIT_MS_MAX = 120_000;

    private final Path scratch;
    private final Path counts;
    private final List<PartitionWriter> writers = new ArrayList<>();
    private volatile boolean feeding = true;
    private long fed;

    private CheckpointTest(Path scratch) {
        this.scratch = scratch;
        this.counts = scratch.resolve("counts");
    }

    public static void main(String[] args) throws Exception {
        new CheckpointTest(Paths.get(args[0])).run();
        System.out.println("ok");
        System.exit(0);
    }

    private void run() throws Exception {
        Check.fails(Exception.class, "_metadata", () -> CheckpointPositions.read(scratch.toString()));
        writers.add(LogFiles.open(scratch.resolve("a"), "w-0", Position.START));
        writers.add(LogFiles.open(scratch.resolve("a"), "w-1", Position.START));
        writers.add(LogFiles.open(scratch.resolve("b"), "w-0", Position.START));
        Throwable[] problem = new Throwable[1];
        Thread feeder = new Thread(() -> feed(problem), "feeder");
        feeder.setDaemon(true);
        feeder.start();
        JsonNode positions = stopAtCheckpoint(start(1, null), 1);
        Check.equal(positions.get("sources").get(path("a")).size(), 2, "partitions of a");
        Check.equal(positions.get("sources").get(path("b")).size(), 1, "partitions of b");
        Check.equal(positions.get("logs").get("").size(), PARTITIONS, "partitions that are written");
        synchronized (writers) {
            writers.add(LogFiles.open(scratch.resolve("b"), "w-late", Position.START));
        }
        positions = stopAtSavepoint(start(2, positions));
        positions = stopAtCheckpoint(start(1, positions), 2);
        feeding = false;
        feeder.join();
        Check.equal(problem[0], null, "problem of the feeder");
        JobClient last = start(2, positions);
        waitFor(() -> counted() >= fed, "all rows are counted");
        Thread.sleep(1_000); // one counted twice would come now
        stopAtSavepoint(last);
        Check.equal(counted(), fed, "rows counted");
        scansThatStandApartAreTold();
    }

    private String path(String table) {
        return scratch.resolve(table).toString();
    }

    /** Rows of one to three numbers to a partition in turn, committed after each frame. */
    private void feed(Throwable[] problem) {
        try {
            for (int turn = 0; feeding; turn++) {
                PartitionWriter writer;
                synchronized (writers) {
                    writer = writers.get(turn % writers.size());
                }
                long[] numbers = new long[1 + turn % 3];
                for (int i = 0; i < numbers.length; i++) {
                    numbers[i] = fed++;
                }
                LogFiles.append(writer, numbers);
                CommittedFile.advance(writer.directory(), writer.position());
                Thread.sleep(1);
            }
        } catch (Exception e) {
            problem[0] = e;
        }
    }

    /** A job that counts rows by key: where {@code positions} say, or from the beginning. */
    private JobClient start(int parallelism, JsonNode positions) {
        StreamTableEnvironment tables = StreamTableEnvironment.create(
                StreamExecutionEnvironment.createLocalEnvironment(parallelism, configuration(parallelism > 1)));
        for (String name : new String[] {"a", "b"}) {
            JsonNode places = positions == null ? null : positions.get("sources").get(path(name));
            declare(tables, name, "n BIGINT", places == null ? ""
                    : ", 'scan.startup.mode' = 'positions', 'scan.startup.positions' = '" + places + "'");
        }
        declare(tables, "counts", "k BIGINT, n BIGINT, PRIMARY KEY (k) NOT ENFORCED", ", 'merge' = 'add'"
                + (positions == null ? ""
                        : ", 'sink.start-positions' = '" + positions.get("logs").get("") + "'"));
        tables.executeSql("CREATE TEMPORARY TABLE others (n BIGINT) WITH ('connector' = 'datagen', "
                + "'rows-per-second' = '100', 'fields.n.min' = '1', 'fields.n.max' = '9')");
        tables.executeSql("CREATE TEMPORARY TABLE files (n BIGINT) WITH ('connector' = 'filesystem', 'format' = 'csv', "
                + "'path' = '" + scratch.resolve("files").toUri() + "')");
        return tables.createStatementSet()
                .addInsertSql("INSERT INTO counts SELECT n % " + KEYS + ", CAST(1 AS BIGINT) FROM "
                        + "(SELECT n FROM a UNION ALL SELECT n FROM b UNION ALL SELECT n FROM others WHERE n > 9)")
                .addInsertSql("INSERT INTO files SELECT n FROM others")
                .execute().getJobClient().get();
    }

    /** Two scans of one table, of which one looks only once: its places are no truth, and said to be none. */
    private void scansThatStandApartAreTold() throws Exception {
        StreamTableEnvironment tables = StreamTableEnvironment.create(
                StreamExecutionEnvironment.createLocalEnvironment(1, configuration(false)));
        declare(tables, "a", "n BIGINT", "");
        declare(tables, "doubled", "n BIGINT", "");
        JobClient job = tables.executeSql("INSERT INTO doubled SELECT n FROM a UNION ALL "
                + "SELECT -n FROM a /*+ OPTIONS('scan.poll-interval' = '60 s') */").getJobClient().get();
        waitFor(() -> newest(checkpoints(job)).isPresent() && read(job).get("sources").has(path("a"))
                && read(job).get("sources").get(path("a")).size() == 2 && read(job).get("apart").isEmpty(),
                "both scans are at the end");
        JsonNode together = read(job).get("sources").get(path("a"));
        LogFiles.append(writers.get(0), 1, 2, 3);
        CommittedFile.advance(writers.get(0).directory(), writers.get(0).position());
        waitFor(() -> !read(job).get("apart").isEmpty(), "one scan is ahead");
        JsonNode positions = stopAtCheckpoint(job, 0);
        Check.equal(positions.get("sources").get(path("a")), together, "places of the scan that is behind");
        JsonNode apart = positions.get("apart").get(path("a"));
        Check.equal(apart.size(), 1, "partitions that are not at one place");
        Check.equal(apart.get("w-0").size(), 2, "places of a partition");
        Check.that(apart.get("w-0").toString().contains(together.get("w-0").toString()), "one of them is behind");
    }

    /** Five checkpoints a second: uncompressed, or as a cluster's configuration may ask for it. */
    private Configuration configuration(boolean compressed) {
        Configuration configuration = new Configuration();
        configuration.set(ExecutionOptions.RUNTIME_MODE, RuntimeExecutionMode.STREAMING);
        configuration.set(ExecutionOptions.SNAPSHOT_COMPRESSION, compressed);
        configuration.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofMillis(200));
        configuration.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, scratch.resolve("checkpoints").toUri().toString());
        // Enough for one to be read while others are completed.
        configuration.set(CheckpointingOptions.MAX_RETAINED_CHECKPOINTS, 50);
        configuration.set(CheckpointingOptions.EXTERNALIZED_CHECKPOINT_RETENTION,
                ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION);
        return configuration;
    }

    private void declare(StreamTableEnvironment tables, String name, String columns, String options) {
        tables.executeSql("CREATE TEMPORARY TABLE " + name + " (" + columns + ") WITH ('connector' = 'flinkms', 'path' = '"
                + path(name) + "'" + options + ")");
    }

    /** Kills a job once {@code completed} checkpoints of it are complete, with rows written after the last one. */
    private JsonNode stopAtCheckpoint(JobClient job, int completed) throws Exception {
        Path directory = checkpoints(job);
        waitFor(() -> newest(directory).map(path -> number(path) > completed).orElse(false), "checkpoints");
        job.cancel().get(WAIT_MS_MAX, TimeUnit.MILLISECONDS);
        try {
            job.getJobExecutionResult().get(WAIT_MS_MAX, TimeUnit.MILLISECONDS);
        } catch (ExecutionException cancelled) {
            // That is how the end of a job that was cancelled is told; its cluster is gone with it.
        }
        return read(newest(directory).get().toUri().toString());
    }

    private Path checkpoints(JobClient job) {
        return scratch.resolve("checkpoints").resolve(job.getJobID().toHexString());
    }

    private JsonNode stopAtSavepoint(JobClient job) throws Exception {
        waitFor(() -> newest(checkpoints(job)).isPresent(), "all tasks are running");
        String savepoint = job.stopWithSavepoint(false, scratch.resolve("savepoints").toUri().toString(),
                SavepointFormatType.CANONICAL).get(WAIT_MS_MAX, TimeUnit.MILLISECONDS);
        return read(savepoint);
    }

    private JsonNode read(JobClient job) throws Exception {
        return read(newest(checkpoints(job)).get().toUri().toString());
    }

    private JsonNode read(String uri) throws Exception {
        return Json.parse(CheckpointPositions.read(uri), uri);
    }

    private static Optional<Path> newest(Path directory) throws Exception {
        if (!Files.isDirectory(directory)) {
            return Optional.empty();
        }
        try (Stream<Path> entries = Files.list(directory)) {
            return entries.filter(path -> Files.exists(path.resolve("_metadata")))
                    .max(Comparator.comparingInt(CheckpointTest::number));
        }
    }

    private static int number(Path checkpoint) {
        return Integer.parseInt(checkpoint.getFileName().toString().substring("chk-".length()));
    }

    /** The sum of all counters, as readers that stop at what is committed see it. */
    private long counted() throws Exception {
        long sum = 0;
        for (int partition = 0; partition < PARTITIONS; partition++) {
            Path directory = counts.resolve("log/p" + partition);
            long[] latest = new long[KEYS];
            Position committed = CommittedFile.read(directory).orElse(Position.START);
            try (PartitionReader reader = new PartitionReader(directory, Position.START)) {
                for (PartitionReader.Entry entry = reader.poll(committed); entry != null; entry = reader.poll(committed)) {
                    BlockReader block = entry.frame().block();
                    for (int row = 0; row < block.rows(); row++) {
                        latest[(int) block.getLong(Frame.UPSERT_KEY, row)] = block.getLong(Frame.UPSERT_SEQUENCE, row);
                    }
                }
            }
            for (long count : latest) {
                sum += count;
            }
        }
        return sum;
    }

    private interface Condition {
        boolean holds() throws Exception;
    }

    private static void waitFor(Condition condition, String what) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(WAIT_MS_MAX);
        while (!condition.holds()) {
            Check.that(System.nanoTime() < deadline, "in time: " + what);
            Thread.sleep(20);
        }
    }
}
