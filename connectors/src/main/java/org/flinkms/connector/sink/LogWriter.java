package org.flinkms.connector.sink;

import org.flinkms.connector.format.BlockBuilder;
import org.flinkms.connector.format.PartitionWriter;
import org.flinkms.connector.format.Position;

import org.apache.flink.api.common.operators.ProcessingTimeService;
import org.apache.flink.api.connector.sink2.CommittingSinkWriter;
import org.apache.flink.api.connector.sink2.StatefulSinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.metrics.Counter;
import org.apache.flink.table.data.RowData;

import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Appends rows to the partitions of one subtask: when rows become visible, durable and committed.
 *
 * <p>Rows wait for at most the flush interval, then they are written as one frame per partition; a checkpoint flushes,
 * syncs and remembers positions. What the rows mean is up to the subclass. Runs in the task's mailbox thread only.
 */
abstract class LogWriter
        implements StatefulSinkWriter<RowData, WriterPosition>, CommittingSinkWriter<RowData, WriterPosition> {
    /** Bytes after which a block is written as a frame of its own: far from the format's limit, good for one CRC. */
    static final int FRAME_BYTES_TARGET = 8 << 20;

    private static final long MICROS_PER_MS = 1000;

    private final SinkConfig config;
    private final int parallelism;
    private final ProcessingTimeService clock;
    private final Counter framesRows;
    private final Counter framesBytes;
    private final Map<String, PartitionWriter> partitions = new LinkedHashMap<>();
    private final Map<String, Position> committable = new HashMap<>();
    private final DiskThreads disk = new DiskThreads("flinkms-sync");
    private int pendingRows;
    private boolean timerArmed;
    private boolean closed;

    LogWriter(SinkConfig config, WriterInitContext context) {
        this.config = config;
        this.parallelism = context.getTaskInfo().getNumberOfParallelSubtasks();
        this.clock = context.getProcessingTimeService();
        this.framesRows = context.metricGroup().getNumRecordsSendCounter();
        this.framesBytes = context.metricGroup().getNumBytesSendCounter();
    }

    /** Takes in one row and returns how many rows are pending because of it. */
    abstract int add(RowData row, long eventTimeMicros) throws IOException;

    /** Writes all pending rows with {@link #appendFrame}. */
    abstract void writePending() throws IOException;

    /** Makes {@code writer} one of the partitions that are synced and committed. */
    final void register(String partition, PartitionWriter writer) {
        partitions.put(partition, writer);
    }

    final void appendFrame(PartitionWriter writer, byte kind, BlockBuilder block) throws IOException {
        int rows = block.rows();
        if (rows > 0) {
            byte[] bytes = block.build();
            writer.append(kind, rows, bytes, nowMicros());
            framesRows.inc(rows);
            framesBytes.inc(bytes.length);
        }
    }

    static long nowMicros() {
        Instant now = Instant.now();
        return now.getEpochSecond() * 1_000_000 + now.getNano() / 1000;
    }

    @Override
    public final void write(RowData row, Context context) throws IOException {
        Long timestamp = context.timestamp();
        pendingRows += add(row, timestamp == null ? 0 : timestamp * MICROS_PER_MS);
        if (pendingRows >= config.flushRows() || config.flushIntervalMs() == 0) {
            flushPending();
        } else if (pendingRows > 0 && !timerArmed) {
            timerArmed = true;
            clock.registerTimer(clock.getCurrentProcessingTime() + config.flushIntervalMs(), this::onTimer);
        }
    }

    private void onTimer(long time) throws IOException {
        timerArmed = false;
        if (!closed) {
            flushPending();
        }
    }

    private void flushPending() throws IOException {
        if (pendingRows > 0) {
            pendingRows = 0;
            writePending();
        }
    }

    @Override
    public final void flush(boolean endOfInput) throws IOException {
        flushPending();
        disk.forEach(partitions.values(), PartitionWriter::sync);
    }

    @Override
    public final Collection<WriterPosition> prepareCommit() {
        List<WriterPosition> moved = new ArrayList<>();
        for (WriterPosition state : positions()) {
            if (!state.position().equals(committable.put(state.partition(), state.position()))) {
                moved.add(state);
            }
        }
        return moved;
    }

    @Override
    public final List<WriterPosition> snapshotState(long checkpointId) {
        return positions();
    }

    private List<WriterPosition> positions() {
        List<WriterPosition> positions = new ArrayList<>();
        partitions.forEach((name, writer) ->
                positions.add(new WriterPosition(name, parallelism, writer.position())));
        return positions;
    }

    @Override
    public void close() throws IOException {
        closed = true;
        disk.close();
        for (PartitionWriter writer : partitions.values()) {
            writer.close();
        }
    }
}
