package org.flinkms.connector.json;

import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.Projection;
import org.apache.flink.table.connector.format.ProjectableDecodingFormat;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.DataType;

/** Decoders of Flink's format, each of them wrapped; see {@link WholeJsonFormatFactory}. */
final class WholeJsonFormat implements ProjectableDecodingFormat<DeserializationSchema<RowData>> {
    private final ProjectableDecodingFormat<DeserializationSchema<RowData>> wrapped;

    WholeJsonFormat(ProjectableDecodingFormat<DeserializationSchema<RowData>> wrapped) {
        this.wrapped = wrapped;
    }

    @Override
    public DeserializationSchema<RowData> createRuntimeDecoder(
            DynamicTableSource.Context context, DataType physical, int[][] projections) {
        int arity = DataType.getFieldCount(Projection.of(projections).project(physical));
        return new WholeJsonDecoder(wrapped.createRuntimeDecoder(context, physical, projections), arity);
    }

    @Override
    public ChangelogMode getChangelogMode() {
        return wrapped.getChangelogMode();
    }
}
