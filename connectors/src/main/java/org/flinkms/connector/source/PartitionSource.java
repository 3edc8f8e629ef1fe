package org.flinkms.connector.source;

import org.flinkms.connector.table.TableLayout;

import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.table.data.RowData;

import java.io.IOException;

/** FLIP-27 source over the partitions of a table; a split is a partition. */
public final class PartitionSource implements Source<RowData, PartitionSplit, EnumeratorState> {
    private static final long serialVersionUID = 1L;

    private final ScanTable table;
    private final ScanConfig config;
    private final long limit;

    /** Emits the columns of {@code layout}; a bounded reader may stop after {@code limit} rows. */
    public PartitionSource(TableLayout layout, ScanConfig config, long limit) {
        this.table = new ScanTable(layout);
        this.config = config;
        this.limit = limit;
    }

    @Override
    public Boundedness getBoundedness() {
        return config.bounded() ? Boundedness.BOUNDED : Boundedness.CONTINUOUS_UNBOUNDED;
    }

    @Override
    public SourceReader<RowData, PartitionSplit> createReader(SourceReaderContext context) {
        return new PartitionSourceReader(context, table, config, limit, PartitionSourceReader.POLL_ROWS_MAX);
    }

    @Override
    public SplitEnumerator<PartitionSplit, EnumeratorState> createEnumerator(
            SplitEnumeratorContext<PartitionSplit> context) throws IOException {
        return restoreEnumerator(context, EnumeratorState.initial());
    }

    @Override
    public SplitEnumerator<PartitionSplit, EnumeratorState> restoreEnumerator(
            SplitEnumeratorContext<PartitionSplit> context, EnumeratorState state) throws IOException {
        return new PartitionEnumerator(context, table, config, state);
    }

    @Override
    public SimpleVersionedSerializer<PartitionSplit> getSplitSerializer() {
        return new PartitionSplitSerializer();
    }

    @Override
    public SimpleVersionedSerializer<EnumeratorState> getEnumeratorCheckpointSerializer() {
        return new EnumeratorState.Serializer();
    }
}
