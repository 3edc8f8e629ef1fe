package org.flinkms.connector.csv;

import org.apache.flink.connector.file.src.FileSourceSplit;
import org.apache.flink.connector.file.src.impl.StreamFormatAdapter;
import org.apache.flink.connector.file.src.reader.BulkFormat;
import org.apache.flink.connector.file.src.reader.SimpleStreamFormat;
import org.apache.flink.connector.file.table.format.BulkDecodingFormat;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.format.ProjectableDecodingFormat;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.DataType;

import java.lang.reflect.Field;

/** Decoders of Flink's format, each behind one that leaves out a header; see {@link HeaderCsvFormatFactory}. */
final class HeaderCsvFormat
        implements BulkDecodingFormat<RowData>, ProjectableDecodingFormat<BulkFormat<RowData, FileSourceSplit>> {
    private final BulkDecodingFormat<RowData> wrapped;

    HeaderCsvFormat(BulkDecodingFormat<RowData> wrapped) {
        this.wrapped = wrapped;
    }

    @Override
    @SuppressWarnings("unchecked")
    public BulkFormat<RowData, FileSourceSplit> createRuntimeDecoder(
            DynamicTableSource.Context context, DataType physical, int[][] projections) {
        BulkFormat<RowData, FileSourceSplit> decoder =
                ((ProjectableDecodingFormat<BulkFormat<RowData, FileSourceSplit>>) wrapped)
                        .createRuntimeDecoder(context, physical, projections);
        return new StreamFormatAdapter<>(new HeaderSkipper<>(streamFormat(decoder)));
    }

    /** What an adapter reads a whole file with; it keeps that to itself. */
    @SuppressWarnings("unchecked")
    private static SimpleStreamFormat<RowData> streamFormat(BulkFormat<RowData, FileSourceSplit> adapter) {
        try {
            Field field = StreamFormatAdapter.class.getDeclaredField("streamFormat");
            field.setAccessible(true);
            return (SimpleStreamFormat<RowData>) field.get(adapter);
        } catch (ReflectiveOperationException | ClassCastException error) {
            throw new IllegalStateException("this Flink reads CSV files otherwise than 2.3 does", error);
        }
    }

    @Override
    public ChangelogMode getChangelogMode() {
        return wrapped.getChangelogMode();
    }
}
