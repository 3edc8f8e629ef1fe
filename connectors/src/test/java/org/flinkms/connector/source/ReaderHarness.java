package org.flinkms.connector.source;

import org.flinkms.connector.table.TableLayout;

import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.SourceEvent;
import org.apache.flink.api.connector.source.SourceOutput;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.metrics.groups.SourceReaderMetricGroup;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;
import org.apache.flink.table.data.RowData;
import org.apache.flink.util.SimpleUserCodeClassLoader;
import org.apache.flink.util.UserCodeClassLoader;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Stands where Flink's source operator stands: drives one reader and keeps what it emits. */
final class ReaderHarness implements AutoCloseable, SourceReaderContext, ReaderOutput<RowData> {
    final List<RowData> rows = new ArrayList<>();
    final List<PlacesEvent> events = new ArrayList<>();
    private final PartitionSourceReader reader;

    ReaderHarness(TableLayout layout, Map<String, String> options, List<PartitionSplit> splits) {
        ScanConfig config = ScanConfig.from(Configuration.fromMap(options), new Configuration());
        reader = new PartitionSourceReader(this, new ScanTable(layout), config, Long.MAX_VALUE, 1);
        reader.start();
        reader.addSplits(splits);
    }

    /** Takes up to {@code count} rows; fewer when there are no more now. */
    InputStatus take(int count) throws Exception {
        InputStatus status = InputStatus.MORE_AVAILABLE;
        for (int target = rows.size() + count; rows.size() < target && status == InputStatus.MORE_AVAILABLE; ) {
            status = reader.pollNext(this);
        }
        return status;
    }

    /** Waits, as the task does, until the reader says that it is worth polling again. */
    void await() throws Exception {
        reader.isAvailable().get(10, TimeUnit.SECONDS);
    }

    /** The splits of a checkpoint, through their bytes. */
    List<PartitionSplit> checkpoint(long id) throws Exception {
        PartitionSplitSerializer serializer = new PartitionSplitSerializer();
        List<PartitionSplit> restored = new ArrayList<>();
        for (PartitionSplit split : reader.snapshotState(id)) {
            restored.add(serializer.deserialize(serializer.getVersion(), serializer.serialize(split)));
        }
        return restored;
    }

    void noMoreSplits() {
        reader.notifyNoMoreSplits();
    }

    @Override
    public void close() throws IOException {
        reader.close();
    }

    @Override
    public void collect(RowData row) {
        rows.add(row);
    }

    @Override
    public void collect(RowData row, long timestamp) {
        rows.add(row);
    }

    @Override
    public SourceOutput<RowData> createOutputForSplit(String splitId) {
        return this;
    }

    @Override
    public void sendSourceEventToCoordinator(SourceEvent event) {
        events.add((PlacesEvent) event);
    }

    @Override
    public SourceReaderMetricGroup metricGroup() {
        return UnregisteredMetricsGroup.createSourceReaderMetricGroup();
    }

    @Override
    public Configuration getConfiguration() {
        return new Configuration();
    }

    @Override
    public String getLocalHostName() {
        return "localhost";
    }

    @Override
    public int getIndexOfSubtask() {
        return 0;
    }

    @Override
    public UserCodeClassLoader getUserCodeClassLoader() {
        return SimpleUserCodeClassLoader.create(getClass().getClassLoader());
    }

    @Override
    public void releaseOutputForSplit(String splitId) {}

    @Override
    public void sendSplitRequest() {}

    @Override
    public void emitWatermark(Watermark watermark) {}

    @Override
    public void markIdle() {}

    @Override
    public void markActive() {}
}
