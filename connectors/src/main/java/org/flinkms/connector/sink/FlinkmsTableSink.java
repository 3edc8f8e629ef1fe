package org.flinkms.connector.sink;

import org.flinkms.connector.format.ModelSchema;

import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.sink.SinkV2Provider;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.types.RowKind;

import java.io.IOException;
import java.util.List;

/**
 * A flinkms table as the target of INSERT INTO: chooses the sink by primary key and options.
 *
 * <table>
 *   <caption>Which sink writes</caption>
 *   <tr><td>'sink.mode' = 'base'</td><td>{@link BaseSink}: fit bundles become the base of a model version</td></tr>
 *   <tr><td>'merge' = 'add', no primary key</td><td>{@link PushSink}: push bundles for the tables of a model</td></tr>
 *   <tr><td>primary key</td><td>{@link UpsertSink}: rows replace or are added to the row of their key</td></tr>
 *   <tr><td>otherwise</td><td>{@link AppendSink}: rows are appended to a stream</td></tr>
 * </table>
 */
public final class FlinkmsTableSink implements DynamicTableSink {
    private final SinkConfig config;
    private final DataType rowType;
    private final int[] primaryKey;

    /**
     * @param rowType the physical columns
     * @param primaryKey indexes of the primary key's columns; empty when there is none
     */
    public FlinkmsTableSink(SinkConfig config, DataType rowType, int[] primaryKey) {
        this.config = config;
        this.rowType = rowType;
        this.primaryKey = primaryKey.clone();
    }

    private boolean isBase() {
        return config.mode() == SinkMode.BASE;
    }

    private boolean isPush() {
        return !isBase() && config.merge() == MergeMode.ADD && primaryKey.length == 0;
    }

    @Override
    public ChangelogMode getChangelogMode(ChangelogMode requested) {
        if (primaryKey.length == 0 || config.merge() == MergeMode.ADD || isBase()) {
            return ChangelogMode.insertOnly();
        }
        return ChangelogMode.newBuilder()
                .addContainedKind(RowKind.INSERT)
                .addContainedKind(RowKind.UPDATE_AFTER)
                .addContainedKind(RowKind.DELETE)
                .keyOnlyDeletes(true)
                .build();
    }

    @Override
    public SinkRuntimeProvider getSinkRuntimeProvider(Context context) {
        if (isBase()) {
            requireBundle();
            if (!context.isBounded()) {
                throw new ValidationException("'sink.mode' = 'base' needs 'execution.runtime-mode' = 'batch'");
            }
            return SinkV2Provider.of(new BaseSink(config), 1);
        }
        return SinkV2Provider.of(logSink(), parallelism(context));
    }

    /**
     * Subtasks of the sink. The batch scheduler picks a parallelism of its own while a job runs unless one is set, and
     * then rows would no longer reach the subtask that owns their key: so it is set.
     */
    private Integer parallelism(Context context) {
        boolean isKeyed = isPush() || primaryKey.length > 0;
        return config.parallelism() == null && isKeyed && context.isBounded()
                ? Integer.valueOf(1) : config.parallelism();
    }

    private Sink<RowData> logSink() {
        if (isPush()) {
            requireBundle();
            return new PushSink(config, readModel());
        }
        RowType row = (RowType) rowType.getLogicalType();
        if (primaryKey.length == 0) {
            TableColumns columns = new TableColumns(row.getFieldNames(), row.getChildren(), null, 0);
            return new AppendSink(config, columns.of(config.path()));
        }
        String key = row.getFieldNames().get(primaryKey[0]);
        LogicalType keyType = row.getTypeAt(primaryKey[0]);
        if (primaryKey.length > 1
                || !(keyType.is(LogicalTypeRoot.BIGINT) || keyType.is(LogicalTypeRoot.VARCHAR))) {
            throw new ValidationException("the primary key of a flinkms table must be one BIGINT or STRING column");
        }
        TableColumns columns = new TableColumns(row.getFieldNames(), row.getChildren(), key, config.partitions())
                .of(config.path());
        return new UpsertSink(config, columns);
    }

    private void requireBundle() {
        List<LogicalType> columns = rowType.getLogicalType().getChildren();
        if (columns.size() != 1 || !columns.get(0).is(LogicalTypeRoot.VARBINARY)) {
            throw new ValidationException(
                    "a flinkms table of bundles must have one BYTES column, not " + rowType.getLogicalType());
        }
    }

    private ModelSchema readModel() {
        try {
            return ModelSchema.read(config.path());
        } catch (IOException e) {
            throw new ValidationException(
                    "there is no version of a model at " + config.path() + " to push to: " + e.getMessage(), e);
        }
    }

    @Override
    public DynamicTableSink copy() {
        return new FlinkmsTableSink(config, rowType, primaryKey);
    }

    @Override
    public String asSummaryString() {
        return "flinkms";
    }
}
