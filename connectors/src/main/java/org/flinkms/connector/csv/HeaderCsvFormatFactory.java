package org.flinkms.connector.csv;

import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.connector.file.table.factories.BulkReaderFormatFactory;
import org.apache.flink.connector.file.table.format.BulkDecodingFormat;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableFactory;
import org.apache.flink.table.factories.FactoryUtil;

import java.util.Set;

/**
 * The format {@code flinkms-csv}: Flink's {@code csv} with its options, except that the first line of each file is left
 * out. Flink's own has no option for that; the job runner puts this one in its place where a table says so.
 */
public final class HeaderCsvFormatFactory implements BulkReaderFormatFactory {
    static final String IDENTIFIER = "flinkms-csv";

    private static final String WRAPPED = "csv";

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
        return wrapped(Thread.currentThread().getContextClassLoader()).optionalOptions();
    }

    @Override
    public BulkDecodingFormat<RowData> createDecodingFormat(DynamicTableFactory.Context context, ReadableConfig options) {
        return new HeaderCsvFormat(wrapped(context.getClassLoader()).createDecodingFormat(context, options));
    }

    private static BulkReaderFormatFactory wrapped(ClassLoader loader) {
        return FactoryUtil.discoverFactory(loader, BulkReaderFormatFactory.class, WRAPPED);
    }
}
