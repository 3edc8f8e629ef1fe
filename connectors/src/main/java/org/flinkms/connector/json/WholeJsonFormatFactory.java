package org.flinkms.connector.json;

import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.connector.format.DecodingFormat;
import org.apache.flink.table.connector.format.EncodingFormat;
import org.apache.flink.table.connector.format.ProjectableDecodingFormat;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DeserializationFormatFactory;
import org.apache.flink.table.factories.DynamicTableFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.factories.SerializationFormatFactory;

import java.util.Set;

/**
 * The format {@code flinkms-json}: Flink's {@code json} with its options, except that a line it skips, because it is no
 * JSON object, is a row of NULLs.
 *
 * <p>With {@code ignore-parse-errors} Flink's own makes NULLs of malformed values, but drops malformed lines without a
 * trace: nobody could count them. The job runner puts this one in its place.
 */
public final class WholeJsonFormatFactory implements DeserializationFormatFactory, SerializationFormatFactory {
    static final String IDENTIFIER = "flinkms-json";

    private static final String WRAPPED = "json";

    @Override
    public String factoryIdentifier() {
        return IDENTIFIER;
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of();
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        ClassLoader loader = Thread.currentThread().getContextClassLoader();
        return FactoryUtil.discoverFactory(loader, DeserializationFormatFactory.class, WRAPPED).optionalOptions();
    }

    @Override
    public DecodingFormat<DeserializationSchema<RowData>> createDecodingFormat(
            DynamicTableFactory.Context context, ReadableConfig options) {
        DecodingFormat<DeserializationSchema<RowData>> format =
                FactoryUtil.discoverFactory(
                                context.getClassLoader(), DeserializationFormatFactory.class, WRAPPED)
                        .createDecodingFormat(context, options);
        return new WholeJsonFormat((ProjectableDecodingFormat<DeserializationSchema<RowData>>) format);
    }

    @Override
    public EncodingFormat<SerializationSchema<RowData>> createEncodingFormat(
            DynamicTableFactory.Context context, ReadableConfig options) {
        return FactoryUtil.discoverFactory(context.getClassLoader(), SerializationFormatFactory.class, WRAPPED)
                .createEncodingFormat(context, options);
    }
}
