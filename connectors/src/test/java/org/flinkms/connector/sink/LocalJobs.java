package org.flinkms.connector.sink;

import org.apache.flink.api.common.RuntimeExecutionMode;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.connector.source.util.ratelimit.RateLimiterStrategy;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ExecutionOptions;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.connector.datagen.source.DataGeneratorSource;
import org.apache.flink.connector.datagen.source.GeneratorFunction;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.types.Row;

import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** Runs INSERT statements as jobs of a local Flink, over generated rows, with checkpoints and induced failures. */
final class LocalJobs {
    private static final long JOB_SECONDS_MAX = 300;

    private final StreamExecutionEnvironment environment;
    private final StreamTableEnvironment tables;

    /** Jobs with a checkpoint every 300 ms, or batch jobs. */
    LocalJobs(boolean batch, int parallelism) {
        Configuration configuration = new Configuration();
        configuration.set(ExecutionOptions.RUNTIME_MODE,
                batch ? RuntimeExecutionMode.BATCH : RuntimeExecutionMode.STREAMING);
        if (!batch) {
            configuration.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofMillis(300));
        }
        configuration.set(RestartStrategyOptions.RESTART_STRATEGY, "fixed-delay");
        configuration.set(RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_ATTEMPTS, 10);
        configuration.set(RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_DELAY, Duration.ofMillis(100));
        environment = StreamExecutionEnvironment.createLocalEnvironment(parallelism, configuration);
        tables = StreamTableEnvironment.create(environment);
    }

    /** Declares the view {@code generated}: rows 0 … count-1 of a generator, which fail {@code failures} times. */
    LocalJobs generate(long count, double rowsPerSecond, int failures, GeneratorFunction<Long, Row> rows,
            TypeInformation<Row> type) {
        FailAfterCheckpoint.REMAINING.set(failures);
        DataGeneratorSource<Row> source =
                new DataGeneratorSource<>(rows, count, RateLimiterStrategy.perSecond(rowsPerSecond), type);
        DataStream<Row> stream = environment
                .fromSource(source, WatermarkStrategy.noWatermarks(), "generated")
                .map(new FailAfterCheckpoint(20))
                .returns(type);
        tables.createTemporaryView("generated", stream);
        return this;
    }

    /** Declares the flinkms table {@code target}; {@code options} is the end of its WITH clause. */
    LocalJobs target(Path path, String columns, String options) {
        tables.executeSql("CREATE TEMPORARY TABLE target (" + columns + ") WITH ('connector' = 'flinkms', 'path' = '"
                + path + "'" + options + ")");
        return this;
    }

    /** Runs a statement to its end. */
    void run(String insert) throws Exception {
        tables.executeSql(insert).await(JOB_SECONDS_MAX, TimeUnit.SECONDS);
    }
}
