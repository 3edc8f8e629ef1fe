package org.flinkms.connector.sink;

import org.flinkms.connector.format.BlockBuilder;
import org.flinkms.connector.format.Bundle;
import org.flinkms.connector.format.Check;
import org.flinkms.connector.format.ColumnType;
import org.flinkms.connector.format.ElementType;
import org.flinkms.connector.format.FormatException;
import org.flinkms.connector.format.Json;
import org.flinkms.connector.format.ModelSchema;
import org.flinkms.connector.format.Position;
import org.flinkms.connector.table.Base;
import org.flinkms.connector.table.Manifest;

import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.types.Row;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/** The base of a version: all of it is there or nothing of it can be seen. */
final class BaseTest {
    private static final String TABLES =
            "[{\"name\":\"users\",\"key\":\"int64\",\"width\":3},{\"name\":\"items\",\"key\":\"text\",\"width\":2}]";
    private static final int ROWS = 5000;
    private static final int ROWS_PER_BUNDLE = 500;

    private final Path scratch;

    BaseTest(Path scratch) {
        this.scratch = scratch;
    }

    void run() throws Exception {
        aBatchJobWritesABase();
        whatFailsLeavesNothingToSee();
        anInterruptedCommitIsCompleted();
    }

    private static List<ModelSchema.Table> tables() throws Exception {
        return ModelSchema.parseTables(Json.parse(TABLES, "test"), "test");
    }

    /** A fit bundle of rows {@code from} … {@code to - 1}; row i of users is initial + 0, of items [i, i]. */
    static byte[] bundle(long from, long to, float[] userRow, String json) {
        Bundle bundle = new Bundle();
        BlockBuilder users = new BlockBuilder(Arrays.asList(ColumnType.of(ElementType.BIGINT), ColumnType.vector(3)));
        BlockBuilder items = new BlockBuilder(Arrays.asList(ColumnType.of(ElementType.STRING), ColumnType.vector(2)));
        for (long i = from; i < to; i++) {
            users.column(0).putLong(i);
            users.column(1).putVector(userRow, 0);
            items.column(0).putBytes(("item " + i).getBytes());
            items.column(1).putVector(new float[2], 0);
        }
        bundle.addBlock(0, users.build());
        bundle.addBlock(1, items.build());
        if (json != null) {
            bundle.addJson(json);
        }
        return bundle.encode();
    }

    /** Writes and commits a base of {@code rows} rows without a job. */
    static void write(Path version, int rows, float[] userRow) throws Exception {
        try (BaseWriter writer = new BaseWriter(version, tables())) {
            writer.write(row(bundle(0, rows, userRow, "{}")), null);
            commit(version, writer);
        }
    }

    private static RowData row(byte[] bundle) {
        return GenericRowData.of(bundle);
    }

    private static void commit(Path version, BaseWriter writer) throws Exception {
        writer.flush(true);
        for (BaseCommittable committable : writer.prepareCommit()) {
            try (BaseCommitter committer = new BaseCommitter(version)) {
                committer.commit(Arrays.asList(request(committable)));
            }
        }
    }

    private static Committer.CommitRequest<BaseCommittable> request(BaseCommittable committable) {
        return new Committer.CommitRequest<BaseCommittable>() {
            @Override
            public BaseCommittable getCommittable() {
                return committable;
            }

            @Override
            public int getNumberOfRetries() {
                return 0;
            }

            @Override
            public void signalFailedWithKnownReason(Throwable t) {
                throw new AssertionError(t);
            }

            @Override
            public void signalFailedWithUnknownReason(Throwable t) {
                throw new AssertionError(t);
            }

            @Override
            public void retryLater() {
                throw new AssertionError("nothing is retried");
            }

            @Override
            public void updateAndRetryLater(BaseCommittable updated) {
                throw new AssertionError("nothing is retried");
            }

            @Override
            public void signalAlreadyCommitted() {}
        };
    }

    private static Row generated(long index) {
        float[] userRow = {1, 2, 3};
        boolean last = index == ROWS / ROWS_PER_BUNDLE - 1;
        long from = index * ROWS_PER_BUNDLE;
        return Row.of(bundle(from, from + ROWS_PER_BUNDLE, userRow, last ? "{\"rmse\": 0.5}" : null));
    }

    private void aBatchJobWritesABase() throws Exception {
        Path version = Files.createDirectories(scratch.resolve("trained"));
        new LocalJobs(true, 2)
                .generate(ROWS / ROWS_PER_BUNDLE, 1_000, 0, BaseTest::generated, PushTest.BUNDLES)
                .target(version, "bundle BYTES", ", 'sink.mode' = 'base', 'sink.tables' = '" + TABLES + "'")
                .run("INSERT INTO target SELECT bundle FROM generated");
        Check.equal(Json.read(version.resolve("fit.json")).get("rmse").asDouble(), 0.5, "fit.json");
        for (ModelSchema.Table table : tables()) {
            Path base = version.resolve(table.name() + "/base-000001");
            Check.equal(Json.read(base.resolve("base.json")).get("rows").asInt(), ROWS, "rows");
            long capacity = ROWS + ROWS / 4 + 1024;
            Check.equal(Files.size(base.resolve("rows.f32")), capacity * table.width() * 4, "bytes with headroom");
            Manifest manifest = Manifest.read(version.resolve(table.name())).get();
            Check.equal(manifest.base(), "base-000001", "the base that the manifest names");
            Check.equal(manifest.position("p0"), Position.START, "position of a partition");
            readBack(Base.open(version.resolve(table.name()), manifest.base()), table);
        }
        Check.fails(Exception.class, "has a base already", () -> new BaseWriter(version, tables()));
    }

    private static void readBack(Base base, ModelSchema.Table table) {
        boolean[] seen = new boolean[ROWS];
        float[] vector = new float[table.width()];
        for (long row = 0; row < base.rows(); row++) {
            int key = table.isTextKey()
                    ? Integer.parseInt(new String(base.textKey(row)).substring(5)) : (int) base.longKey(row);
            Check.that(!seen[key], "key " + key + " is there once");
            seen[key] = true;
            base.copyVector(row, vector, 0);
            Check.equal(vector, table.isTextKey() ? new float[2] : new float[] {1, 2, 3}, "row " + key);
            Check.equal(base.sequence(row), 0L, "sequence");
        }
        for (boolean one : seen) {
            Check.that(one, "every key is there");
        }
    }

    private void whatFailsLeavesNothingToSee() throws Exception {
        Path version = Files.createDirectories(scratch.resolve("failed"));
        float[] nan = {1, Float.NaN, 3};
        BaseWriter diverged = new BaseWriter(version, tables());
        diverged.write(row(bundle(0, 4, new float[3], null)), null);
        Check.fails(FormatException.class, "row 4 of table \"users\" holds NaN; training has diverged",
                () -> diverged.write(row(bundle(4, 8, nan, null)), null));
        diverged.close();
        BaseWriter unfinished = new BaseWriter(version, tables());
        Check.fails(FormatException.class, "no rows to train on", () -> unfinished.flush(true));
        unfinished.close();
        for (ModelSchema.Table table : tables()) {
            try (Stream<Path> files = Files.list(version.resolve(table.name()))) {
                Check.equal(files.count(), 0L, "files of a failed training");
            }
        }
        write(version, 10, new float[3]);
        Check.that(Files.exists(version.resolve("fit.json")), "a later training succeeds");
    }

    private void anInterruptedCommitIsCompleted() throws Exception {
        Path version = Files.createDirectories(scratch.resolve("interrupted"));
        try (BaseWriter writer = new BaseWriter(version, tables())) {
            writer.write(row(bundle(0, 10, new float[3], "{}")), null);
            writer.flush(true);
            Files.move(version.resolve("users/.base-000001"), version.resolve("users/base-000001"));
            commit(version, writer);
            commit(version, writer);
        }
        Check.that(Files.exists(version.resolve("users/manifest.json")), "manifest of the first table");
        Check.that(Files.exists(version.resolve("items/base-000001/base.json")), "base of the second table");
        Check.that(Files.exists(version.resolve("fit.json")), "fit.json");
    }
}
