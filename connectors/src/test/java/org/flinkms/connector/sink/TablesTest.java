package org.flinkms.connector.sink;

import org.flinkms.connector.format.BlockReader;
import org.flinkms.connector.format.Check;
import org.flinkms.connector.format.CommittedFile;
import org.flinkms.connector.format.Frame;
import org.flinkms.connector.format.KeyHash;
import org.flinkms.connector.format.Position;

import org.apache.flink.api.common.TaskInfoImpl;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.types.Row;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Streams and keyed tables as targets of INSERT, and the options that are refused. */
final class TablesTest {
    private static final int ROWS = 12_000;
    private static final int KEYS = 700;
    private static final TypeInformation<Row> ROW_TYPE = Types.ROW_NAMED(
            new String[] {"id", "name", "score"}, Types.LONG, Types.STRING, Types.DOUBLE);

    private final Path scratch;

    TablesTest(Path scratch) {
        this.scratch = scratch;
    }

    void run() throws Exception {
        everyRowOfAStreamIsCommittedOnce();
        anotherJobAddsToAStream();
        aKeyedTableKeepsTheLastRow();
        deltasAddUpInAKeyedTable();
        deletesAreRecords();
        batchJobsRouteByKeyToo();
        checkpointsNeedTheirParallelism();
        optionsOutOfRangeAreRefused();
    }

    private static LocalJobs job(int failures) {
        return new LocalJobs(false, 2).generate(ROWS, 12_000, failures,
                index -> Row.of(index, index % 10 == 0 ? null : "key " + index % KEYS, index / 2.0), ROW_TYPE);
    }

    private void everyRowOfAStreamIsCommittedOnce() throws Exception {
        Path stream = scratch.resolve("stream");
        job(2).target(stream, "id BIGINT, name STRING, score DOUBLE", "")
                .run("INSERT INTO target SELECT * FROM generated");
        Check.equal(FailAfterCheckpoint.REMAINING.get(), 0, "failures that did not happen");
        Check.equal(countOnce(stream, "sink-0", "sink-1"), ROWS, "rows");
    }

    /** Number of rows in the named partitions, which must be the generator's, each once. */
    private static int countOnce(Path stream, String... partitions) throws Exception {
        BitSet seen = new BitSet();
        for (String partition : partitions) {
            for (BlockReader block : LogImage.committed(stream.resolve("log/" + partition)).blocks) {
                for (int row = 0; row < block.rows(); row++) {
                    int id = (int) block.getLong(0, row);
                    Check.that(!seen.get(id), "row " + id + " is there once");
                    seen.set(id);
                    Check.equal(block.isNull(1, row), id % 10 == 0, "NULL in row " + id);
                    Check.equal(block.getDouble(2, row), id / 2.0, "score of row " + id);
                }
            }
        }
        return seen.cardinality();
    }

    private void anotherJobAddsToAStream() throws Exception {
        Path stream = scratch.resolve("stream");
        Position before = CommittedFile.read(stream.resolve("log/sink-0")).get();
        job(0).target(stream, "id BIGINT, name STRING, score DOUBLE", ", 'sink.writer' = 'job-7'")
                .run("INSERT INTO target SELECT * FROM generated");
        Check.equal(countOnce(stream, "job-7-0", "job-7-1"), ROWS, "rows of the second job");
        Check.equal(CommittedFile.read(stream.resolve("log/sink-0")).get(), before, "what the first job committed");
        job(0).target(stream, "id BIGINT, name STRING, score DOUBLE", ", 'sink.writer' = 'job-7', "
                + "'sink.start-positions' = '{\"job-7-0\": [0, 0], \"job-7-1\": [0, 0]}'")
                .run("INSERT INTO target SELECT * FROM generated");
        Check.equal(countOnce(stream, "job-7-0", "job-7-1"), ROWS, "rows of the second job, submitted again");
        for (int submission = 0; submission < 2; submission++) {
            new LocalJobs(true, 1).generate(ROWS, 1_000_000, 0, index -> Row.of(index,
                    index % 10 == 0 ? null : "key " + index % KEYS, index / 2.0), ROW_TYPE)
                    .target(stream, "id BIGINT, name STRING, score DOUBLE",
                            ", 'sink.writer' = 'job-8', 'sink.once' = 'true'")
                    .run("INSERT INTO target SELECT * FROM generated");
            Check.equal(countOnce(stream, "job-8-0"), ROWS, "rows of a batch job, however often it is submitted");
        }
        Check.fails(ValidationException.class, "has the columns [id, name, score], not [id, other, score]", () -> job(0)
                .target(stream, "id BIGINT, other STRING, score DOUBLE", "")
                .run("INSERT INTO target SELECT * FROM generated"));
    }

    /** The committed records of a keyed table; each must lie in its key's partition. */
    private static Map<Object, LogImage.Record> image(Path table, int partitions) throws Exception {
        Map<Object, LogImage.Record> rows = new HashMap<>();
        for (int partition = 0; partition < partitions; partition++) {
            LogImage image = LogImage.committed(table.resolve("log/p" + partition));
            for (Object key : image.rows.keySet()) {
                long hash = key instanceof Long ? KeyHash.of((Long) key) : KeyHash.of(key.toString().getBytes());
                Check.equal(KeyHash.partition(hash, partitions), partition, "partition of " + key);
            }
            rows.putAll(image.rows);
        }
        return rows;
    }

    private void aKeyedTableKeepsTheLastRow() throws Exception {
        Path table = scratch.resolve("replaced");
        String columns = "score DOUBLE, name STRING, PRIMARY KEY (name) NOT ENFORCED";
        job(1).target(table, columns, ", 'sink.partitions' = '3'")
                .run("INSERT INTO target SELECT MAX(score), name FROM generated WHERE name IS NOT NULL GROUP BY name");
        Map<Object, LogImage.Record> rows = image(table, 3);
        Check.equal(rows.size(), KEYS - KEYS / 10, "rows");
        for (int key = 1; key < 10; key++) {
            LogImage.Record row = rows.get("key " + key);
            int last = (ROWS - 1 - key) / KEYS * KEYS + key;
            Check.equal(row.block.getDouble(Frame.UPSERT_PAYLOAD, row.row), last / 2.0, "score of key " + key);
        }
    }

    private void deltasAddUpInAKeyedTable() throws Exception {
        Path table = scratch.resolve("added");
        String columns = "id BIGINT, n INT, total DOUBLE, PRIMARY KEY (id) NOT ENFORCED";
        job(2).target(table, columns, ", 'merge' = 'add'")
                .run("INSERT INTO target SELECT id % " + KEYS + ", 1, score FROM generated");
        Map<Object, LogImage.Record> rows = image(table, 4);
        Check.equal(rows.size(), KEYS, "rows");
        for (long key = 0; key < KEYS; key++) {
            LogImage.Record row = rows.get(key);
            long count = (ROWS - 1 - key) / KEYS + 1;
            double total = 0;
            for (long id = key; id < ROWS; id += KEYS) {
                total += id / 2.0;
            }
            Check.equal(row.sequence, count, "sequence of " + key);
            Check.equal(row.block.getInt(Frame.UPSERT_PAYLOAD, row.row), (int) count, "n of " + key);
            Check.equal(row.block.getDouble(Frame.UPSERT_PAYLOAD + 1, row.row), total, "total of " + key);
        }
        Check.fails(ValidationException.class, "", () -> job(0)
                .target(scratch.resolve("text"), "id BIGINT, name STRING, PRIMARY KEY (id) NOT ENFORCED",
                        ", 'merge' = 'add'")
                .run("INSERT INTO target SELECT id, name FROM generated"));
    }

    private void deletesAreRecords() throws Exception {
        Path table = scratch.resolve("deleted");
        String columns = "id BIGINT, n BIGINT, PRIMARY KEY (id) NOT ENFORCED";
        job(0).target(table, columns, ", 'sink.partitions' = '1'")
                .run("INSERT INTO target SELECT id, n FROM (SELECT id % 2 AS id, COUNT(*) AS n FROM generated "
                        + "WHERE id < 100 GROUP BY id % 2) WHERE n < 50");
        Map<Object, LogImage.Record> rows = image(table, 1);
        for (long key = 0; key < 2; key++) {
            LogImage.Record row = rows.get(key);
            Check.equal(row.op, Frame.OP_DELETE, "operation on " + key);
            Check.that(row.sequence >= 50, "sequence of " + key + " is " + row.sequence + ", less than 50");
            Check.that(row.block.isNull(Frame.UPSERT_PAYLOAD, row.row), "a delete has no payload");
        }
    }

    private void batchJobsRouteByKeyToo() throws Exception {
        String columns = "id BIGINT, n INT, PRIMARY KEY (id) NOT ENFORCED";
        for (String parallelism : new String[] {"", ", 'sink.parallelism' = '3'"}) {
            Path table = scratch.resolve("batch" + parallelism.length());
            new LocalJobs(true, 2)
                    .generate(ROWS, 1e6, 0, index -> Row.of(index, "", 0.0), ROW_TYPE)
                    .target(table, columns, ", 'merge' = 'add'" + parallelism)
                    .run("INSERT INTO target SELECT id % " + KEYS + ", 1 FROM generated");
            Map<Object, LogImage.Record> rows = image(table, 4);
            long total = rows.values().stream().mapToLong(row -> row.sequence).sum();
            Check.equal(rows.size(), KEYS, "rows");
            Check.equal(total, (long) ROWS, "deltas");
        }
    }

    private void checkpointsNeedTheirParallelism() throws Exception {
        SinkConfig config = SinkConfig.from(scratch.toString(), new Configuration());
        List<WriterPosition> state = new ArrayList<>();
        WriterPositionSerializer serializer = new WriterPositionSerializer();
        WriterPosition position = new WriterPosition("log/p1", 2, new Position(3, 1L << 40));
        state.add(serializer.deserialize(serializer.getVersion(), serializer.serialize(position)));
        Check.equal(state.get(0).position(), new Position(3, 1L << 40), "position");
        Check.that(WriterPositionSerializer.isOurs(2, serializer.serialize(position)), "our states are told apart");
        DataOutputSerializer unmarked = new DataOutputSerializer(64);
        unmarked.writeUTF("users/log/p1");
        unmarked.writeInt(2);
        unmarked.writeInt(3);
        unmarked.writeLong(40);
        Check.equal(serializer.deserialize(1, unmarked.getCopyOfBuffer()).position(), new Position(3, 40), "older states");
        unmarked.writeByte(0);
        for (byte[] other : new byte[][] {{}, {1, 2, 3, 4, 5}, unmarked.getCopyOfBuffer()}) {
            for (int version = 1; version <= 3; version++) {
                Check.that(!WriterPositionSerializer.isOurs(version, other), "states of others are told apart");
            }
        }
        Check.fails(Exception.class, "taken with 2 subtasks of the flinkms sink and cannot be restored with 3",
                () -> new PartitionOpener(config, new TaskInfoImpl("sink", 128, 0, 3, 0), state));
        PartitionOpener opener = new PartitionOpener(config, new TaskInfoImpl("sink", 128, 1, 2, 0), state);
        Check.equal(opener.owned(5), Arrays.asList(1, 3), "owned partitions");
    }

    private void optionsOutOfRangeAreRefused() throws Exception {
        String[][] cases = {
            {"sink.flush-interval", "2 s", "between 0 ms and 1000 ms"},
            {"sink.flush-rows", "0", "between 1 and 1000000"},
            {"sink.partitions", "1025", "between 1 and 1024"},
            {"sink.writer", "../other", "a name of letters"},
            {"sink.start-positions", "[1]", "must be a JSON object"},
            {"sink.start-positions", "{\"p0\": [1, -1]}", "is not a position"},
            {"sink.mode", "base", "given when 'sink.mode' is 'base'"},
            {"sink.tables", "[]", "has no tables"},
            {"sink.tables", "[{\"name\": \"../x\", \"key\": \"text\", \"width\": 1}]", "malformed table"},
        };
        for (String[] example : cases) {
            Configuration options = new Configuration();
            options.setString(example[0], example[1]);
            Check.fails(ValidationException.class, example[2], () -> SinkConfig.from(scratch.toString(), options));
        }
        Check.fails(ValidationException.class, "to push to", () -> new LocalJobs(false, 1)
                .generate(1, 1, 0, PushTest::bundle, PushTest.BUNDLES)
                .target(Files.createDirectories(scratch.resolve("nothing")), "bundle BYTES", ", 'merge' = 'add'")
                .run("INSERT INTO target SELECT bundle FROM generated"));
    }
}
