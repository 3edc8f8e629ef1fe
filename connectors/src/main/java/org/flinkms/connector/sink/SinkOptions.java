package org.flinkms.connector.sink;

import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;

import java.time.Duration;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.Set;

/** The sink's options as they are written in {@code CREATE TABLE … WITH}. */
public final class SinkOptions {
    static final Duration FLUSH_INTERVAL_MAX = Duration.ofMillis(1000);
    static final int FLUSH_ROWS_MAX = 1_000_000;
    static final int PARTITIONS_MAX = 1024;

    public static final ConfigOption<MergeMode> MERGE = ConfigOptions.key("merge")
            .enumType(MergeMode.class)
            .defaultValue(MergeMode.REPLACE)
            .withDescription("What a row does to the row of the same key. 'replace': takes its place. 'add': its "
                    + "numeric columns are deltas that are added to it; without a primary key the rows are push "
                    + "bundles for the tables of the model version at 'path'.");

    public static final ConfigOption<SinkMode> MODE = ConfigOptions.key("sink.mode")
            .enumType(SinkMode.class)
            .defaultValue(SinkMode.LOG)
            .withDescription("'log': rows are appended to a log while the job runs. 'base': rows are fit bundles that "
                    + "become the immutable base of a model version when the batch job ends.");

    public static final ConfigOption<String> WRITER = ConfigOptions.key("sink.writer")
            .stringType()
            .defaultValue("sink")
            .withDescription("First part of the names of the partitions that a job appends to a stream, before '-' and "
                    + "the number of the subtask. Two jobs that write one stream need different names. Letters, "
                    + "digits, '_', '.' and '-', at most 100 characters.");

    public static final ConfigOption<Boolean> ONCE = ConfigOptions.key("sink.once")
            .booleanType()
            .defaultValue(false)
            .withDescription("For a bounded job that appends to a stream as a writer of its own, with one subtask: when "
                    + "its rows are committed already, by an earlier attempt or an earlier submission, it writes "
                    + "nothing.");

    public static final ConfigOption<Duration> FLUSH_INTERVAL = ConfigOptions.key("sink.flush-interval")
            .durationType()
            .defaultValue(Duration.ofMillis(5))
            .withDescription("How long a row may wait until readers can see it: 0 ms (each row at once) to 1000 ms.");

    public static final ConfigOption<Integer> FLUSH_ROWS = ConfigOptions.key("sink.flush-rows")
            .intType()
            .defaultValue(10_000)
            .withDescription("Rows that are written without waiting for the interval: 1 to " + FLUSH_ROWS_MAX + ".");

    public static final ConfigOption<Integer> PARTITIONS = ConfigOptions.key("sink.partitions")
            .intType()
            .defaultValue(4)
            .withDescription("Partitions of a keyed table that does not exist yet, and so the most subtasks that can "
                    + "write it at once: 1 to " + PARTITIONS_MAX + ".");

    public static final ConfigOption<String> START_POSITIONS = ConfigOptions.key("sink.start-positions")
            .stringType()
            .defaultValue("{}")
            .withDescription("Where partitions ended when this job first wrote to them, as JSON {\"p0\": [epoch, "
                    + "offset], …}, for a model {\"table\": {\"p0\": …}}. Given to a job that is submitted again "
                    + "without a checkpoint: what it wrote before is superseded. Partitions that are not named go "
                    + "on after what was committed.");

    public static final ConfigOption<String> TABLES = ConfigOptions.key("sink.tables")
            .stringType()
            .noDefaultValue()
            .withDescription("Tables of the model whose base is written, as JSON [{\"name\", \"key\": \"int64\" | "
                    + "\"text\", \"width\"}, …]; the tag of a block is the index of its table.");

    private SinkOptions() {}

    /** All options of the sink. None is required, but 'sink.mode' = 'base' needs 'sink.tables'. */
    public static Set<ConfigOption<?>> options() {
        return Collections.unmodifiableSet(new LinkedHashSet<>(Arrays.asList(
                MERGE, MODE, WRITER, ONCE, FLUSH_INTERVAL, FLUSH_ROWS, PARTITIONS, START_POSITIONS, TABLES)));
    }
}
