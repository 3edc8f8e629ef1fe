package org.flinkms.connector;

import org.flinkms.connector.lookup.KeyLookupFunction;
import org.flinkms.connector.lookup.LookupConfig;
import org.flinkms.connector.source.PartitionSource;
import org.flinkms.connector.source.ScanConfig;
import org.flinkms.connector.table.TableLayout;
import org.flinkms.connector.table.TableLayout.Kind;

import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.DataStreamSource;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.ProviderContext;
import org.apache.flink.table.connector.source.DataStreamScanProvider;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.LookupTableSource;
import org.apache.flink.table.connector.source.ScanTableSource;
import org.apache.flink.table.connector.source.abilities.SupportsLimitPushDown;
import org.apache.flink.table.connector.source.abilities.SupportsProjectionPushDown;
import org.apache.flink.table.connector.source.abilities.SupportsWatermarkPushDown;
import org.apache.flink.table.connector.source.lookup.LookupFunctionProvider;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.DataType;

import javax.annotation.Nullable;

import java.util.Optional;
import java.util.stream.IntStream;

/**
 * A flinkms table as the planner sees it when it is read: by a scan or by lookups.
 *
 * <p>It does not ask for a lookup shuffle by key (SupportsLookupCustomShuffle): the subtasks of a task manager share
 * one table in memory, so that a shuffle would cost a network hop and save nothing.
 */
final class FlinkmsTableSource
        implements ScanTableSource,
                LookupTableSource,
                SupportsProjectionPushDown,
                SupportsWatermarkPushDown,
                SupportsLimitPushDown {

    private final TableLayout layout;
    private final ScanConfig scan;
    private final LookupConfig lookup;
    @Nullable private final Integer parallelism;
    private final String tableName;

    // What the planner pushes down.
    private DataType producedType;
    private int[] projection;
    private WatermarkStrategy<RowData> watermarks = WatermarkStrategy.noWatermarks();
    private long limit = Long.MAX_VALUE;

    /** {@code rowType} is the declared physical row type, {@code parallelism} that of 'scan.parallelism', if set. */
    FlinkmsTableSource(
            TableLayout layout,
            ScanConfig scan,
            LookupConfig lookup,
            @Nullable Integer parallelism,
            String tableName,
            DataType rowType) {
        this.layout = layout;
        this.scan = scan;
        this.lookup = lookup;
        this.parallelism = parallelism;
        this.tableName = tableName;
        this.producedType = rowType;
        this.projection = IntStream.range(0, layout.columns().size()).toArray();
    }

    @Override
    public ChangelogMode getChangelogMode() {
        return layout.kind() == Kind.STREAM || scan.bounded() ? ChangelogMode.insertOnly() : ChangelogMode.upsert();
    }

    @Override
    public ScanRuntimeProvider getScanRuntimeProvider(ScanContext context) {
        if (layout.kind() != Kind.STREAM && scan.bounded() && !scan.startsAtBeginning()) {
            throw new ValidationException(
                    "a bounded scan of a keyed table gives its final state and must start at 'earliest-offset'");
        }
        PartitionSource source =
                new PartitionSource(layout.project(projection), scan, scan.bounded() ? limit : Long.MAX_VALUE);
        TypeInformation<RowData> type = context.createTypeInformation(producedType);
        WatermarkStrategy<RowData> strategy = watermarks;
        return new DataStreamScanProvider() {
            @Override
            public DataStream<RowData> produceDataStream(ProviderContext provider, StreamExecutionEnvironment env) {
                DataStreamSource<RowData> stream = env.fromSource(source, strategy, "flinkms " + tableName, type);
                provider.generateUid("source").ifPresent(stream::uid);
                return stream;
            }

            @Override
            public boolean isBounded() {
                return scan.bounded();
            }

            @Override
            public Optional<Integer> getParallelism() {
                return Optional.ofNullable(parallelism);
            }
        };
    }

    @Override
    public LookupRuntimeProvider getLookupRuntimeProvider(LookupContext context) {
        int[][] keys = context.getKeys();
        boolean byKey = keys.length == 1 && keys[0].length == 1 && projection[keys[0][0]] == layout.keyIndex();
        if (layout.kind() == Kind.STREAM || !byKey) {
            throw new ValidationException(
                    "a lookup join with table " + tableName + " must have exactly one equality, on its key"
                            + (layout.kind() == Kind.STREAM ? ", and a stream has none" : ""));
        }
        return LookupFunctionProvider.of(new KeyLookupFunction(layout, lookup, projection));
    }

    @Override
    public boolean supportsNestedProjection() {
        return false;
    }

    @Override
    public void applyProjection(int[][] fields, DataType newProducedType) {
        projection = IntStream.range(0, fields.length).map(i -> fields[i][0]).toArray();
        producedType = newProducedType;
    }

    @Override
    public void applyWatermark(WatermarkStrategy<RowData> strategy) {
        watermarks = strategy;
    }

    @Override
    public void applyLimit(long newLimit) {
        limit = newLimit;
    }

    @Override
    public DynamicTableSource copy() {
        FlinkmsTableSource copy = new FlinkmsTableSource(layout, scan, lookup, parallelism, tableName, producedType);
        copy.projection = projection.clone();
        copy.watermarks = watermarks;
        copy.limit = limit;
        return copy;
    }

    @Override
    public String asSummaryString() {
        return "flinkms";
    }
}
