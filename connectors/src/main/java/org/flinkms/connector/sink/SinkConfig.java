package org.flinkms.connector.sink;

import org.flinkms.connector.format.FormatException;
import org.flinkms.connector.format.Json;
import org.flinkms.connector.format.ModelSchema;

import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.factories.FactoryUtil;

import java.io.Serializable;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.time.Duration;
import java.util.List;

/** Valid options of one sink. Immutable; {@link #from} is the only way to get one, so none is out of range. */
public final class SinkConfig implements Serializable {
    private static final long serialVersionUID = 1L;
    private static final String WRITER_NAME = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}";

    private final String path;
    private final MergeMode merge;
    private final SinkMode mode;
    private final String writer;
    private final boolean once;
    private final long flushIntervalMs;
    private final int flushRows;
    private final int partitions;
    private final StartPositions startPositions;
    private final String tables;
    private final Integer parallelism;

    private SinkConfig(String path, ReadableConfig config) {
        this.path = path;
        this.merge = config.get(SinkOptions.MERGE);
        this.mode = config.get(SinkOptions.MODE);
        this.writer = config.get(SinkOptions.WRITER);
        this.once = config.get(SinkOptions.ONCE);
        this.flushIntervalMs = config.get(SinkOptions.FLUSH_INTERVAL).toMillis();
        this.flushRows = config.get(SinkOptions.FLUSH_ROWS);
        this.partitions = config.get(SinkOptions.PARTITIONS);
        this.tables = config.getOptional(SinkOptions.TABLES).orElse(null);
        this.parallelism = config.getOptional(FactoryUtil.SINK_PARALLELISM).orElse(null);
        this.startPositions = parseStartPositions(config.get(SinkOptions.START_POSITIONS));
    }

    /**
     * The sink options of a table at {@code path}.
     *
     * @throws ValidationException that names the option that is out of its range
     */
    public static SinkConfig from(String path, ReadableConfig config) {
        SinkConfig sink = new SinkConfig(path, config);
        sink.validate(config);
        return sink;
    }

    private void validate(ReadableConfig config) {
        Duration interval = config.get(SinkOptions.FLUSH_INTERVAL);
        require(SinkOptions.FLUSH_INTERVAL, interval,
                !interval.isNegative() && interval.compareTo(SinkOptions.FLUSH_INTERVAL_MAX) <= 0,
                "between 0 ms and 1000 ms");
        require(SinkOptions.FLUSH_ROWS, flushRows, flushRows >= 1 && flushRows <= SinkOptions.FLUSH_ROWS_MAX,
                "between 1 and " + SinkOptions.FLUSH_ROWS_MAX);
        require(SinkOptions.PARTITIONS, partitions, partitions >= 1 && partitions <= SinkOptions.PARTITIONS_MAX,
                "between 1 and " + SinkOptions.PARTITIONS_MAX);
        require(SinkOptions.WRITER, writer, writer.matches(WRITER_NAME),
                "a name of letters, digits, '_', '.' and '-'");
        require(SinkOptions.TABLES, tables, mode != SinkMode.BASE || tables != null,
                "given when 'sink.mode' is 'base'");
        if (tables != null) {
            modelTables();
        }
    }

    private static void require(ConfigOption<?> option, Object value, boolean holds, String range) {
        if (!holds) {
            throw new ValidationException("option '" + option.key() + "' must be " + range + ", not " + value);
        }
    }

    private static StartPositions parseStartPositions(String json) {
        try {
            return StartPositions.parse(json);
        } catch (FormatException e) {
            throw new ValidationException(e.getMessage(), e);
        }
    }

    /** Directory of the stream, of the keyed table or of the version of a model. */
    public Path path() {
        return Paths.get(path);
    }

    public MergeMode merge() {
        return merge;
    }

    public SinkMode mode() {
        return mode;
    }

    public String writer() {
        return writer;
    }

    /** Whether rows that are committed already are not written again. */
    public boolean once() {
        return once;
    }

    public long flushIntervalMs() {
        return flushIntervalMs;
    }

    public int flushRows() {
        return flushRows;
    }

    public int partitions() {
        return partitions;
    }

    public StartPositions startPositions() {
        return startPositions;
    }

    /** Tables of the model whose base is written. */
    public List<ModelSchema.Table> modelTables() {
        try {
            String origin = "option '" + SinkOptions.TABLES.key() + "'";
            return ModelSchema.parseTables(Json.parse(tables, origin), origin);
        } catch (FormatException e) {
            throw new ValidationException(e.getMessage(), e);
        }
    }

    /** Subtasks of the sink, or null to leave it to the planner. */
    public Integer parallelism() {
        return parallelism;
    }
}
