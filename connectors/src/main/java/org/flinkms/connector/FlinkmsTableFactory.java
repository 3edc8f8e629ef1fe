package org.flinkms.connector;

import org.flinkms.connector.lookup.LookupConfig;
import org.flinkms.connector.sink.FlinkmsTableSink;
import org.flinkms.connector.sink.SinkConfig;
import org.flinkms.connector.sink.SinkOptions;
import org.flinkms.connector.source.ScanConfig;
import org.flinkms.connector.source.ScanOptions;
import org.flinkms.connector.table.TableLayout;

import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.factories.DynamicTableSinkFactory;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.factories.FactoryUtil;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.Set;

/**
 * {@code 'connector' = 'flinkms'}: a stream, a keyed table or a table of a model, by the directory it lies in.
 *
 * <p>Which of the three it is follows from the directory and the primary key; see {@link TableLayout}. Unknown options
 * and values out of range are errors when a statement is planned, not when its job runs.
 */
public final class FlinkmsTableFactory implements DynamicTableSourceFactory, DynamicTableSinkFactory {
    public static final String IDENTIFIER = "flinkms";

    public static final ConfigOption<String> PATH =
            ConfigOptions.key("path")
                    .stringType()
                    .noDefaultValue()
                    .withDescription(
                            "Directory of the stream (<warehouse>/streams/<name>), the keyed table or the table of a "
                                    + "model "
                                    + "(<version>/<table>).");

    /** What upkeep enforces on a stream; nothing for a job to do. */
    public static final ConfigOption<String> RETENTION =
            ConfigOptions.key("retention")
                    .stringType()
                    .noDefaultValue()
                    .withDescription(
                            "How long the rows of a stream are kept, such as '30 d' (units: s, min, h, d). Default: for "
                                    + "ever.");

    /** What CREATE TABLE looks at; nothing for a job to do. */
    public static final ConfigOption<Boolean> ATTACH =
            ConfigOptions.key("attach")
                    .booleanType()
                    .defaultValue(false)
                    .withDescription("Whether CREATE TABLE goes on with the rows of the stream that 'path' holds already.");

    @Override
    public String factoryIdentifier() {
        return IDENTIFIER;
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Collections.singleton(PATH);
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        Set<ConfigOption<?>> options = new LinkedHashSet<>(ScanOptions.options());
        options.add(LookupConfig.REFRESH_INTERVAL);
        options.addAll(SinkOptions.options());
        options.add(RETENTION);
        options.add(ATTACH);
        options.add(FactoryUtil.SOURCE_PARALLELISM);
        options.add(FactoryUtil.SINK_PARALLELISM);
        return options;
    }

    @Override
    public DynamicTableSource createDynamicTableSource(Context context) {
        FactoryUtil.TableFactoryHelper helper = FactoryUtil.createTableFactoryHelper(this, context);
        helper.validate();
        ReadableConfig options = helper.getOptions();
        return new FlinkmsTableSource(
                TableLayout.of(context.getCatalogTable().getResolvedSchema(), Path.of(options.get(PATH))),
                ScanConfig.from(options, context.getConfiguration()),
                LookupConfig.from(options),
                options.getOptional(FactoryUtil.SOURCE_PARALLELISM).orElse(null),
                context.getObjectIdentifier().getObjectName(),
                context.getPhysicalRowDataType());
    }

    @Override
    public DynamicTableSink createDynamicTableSink(Context context) {
        FactoryUtil.TableFactoryHelper helper = FactoryUtil.createTableFactoryHelper(this, context);
        helper.validate();
        ReadableConfig options = helper.getOptions();
        return new FlinkmsTableSink(
                SinkConfig.from(options.get(PATH), options),
                context.getPhysicalRowDataType(),
                context.getPrimaryKeyIndexes());
    }
}
