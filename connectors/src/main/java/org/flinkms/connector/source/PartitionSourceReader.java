package org.flinkms.connector.source;

import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.SourceOutput;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.metrics.Counter;
import org.apache.flink.table.data.RowData;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * Reads splits in the task's own thread and hands each row straight to the operators.
 *
 * <p>Flink's {@code SourceReaderBase} puts a fetcher thread and a queue between file and operator. Here a fetch is a
 * read from the page cache, which does not block, so that the hand-over would cost more than it hides. What is left to
 * wait for is the next row: then a timer completes {@link #isAvailable} after the poll interval, and the task sleeps.
 */
final class PartitionSourceReader implements SourceReader<RowData, PartitionSplit> {
    /** A split with its cursor and the output that keeps its watermark. */
    private static final class Active {
        final SplitCursor cursor;
        final SourceOutput<RowData> output;
        boolean paused;

        Active(SplitCursor cursor, SourceOutput<RowData> output) {
            this.cursor = cursor;
            this.output = output;
        }
    }

    /**
     * Rows that one poll hands on when there are as many: some milliseconds' worth, which is how long a checkpoint or a
     * timer may wait. Between two polls the Python operator may close its bundle; it closes few large ones of a backlog
     * and a small one of a single row.
     */
    static final int POLL_ROWS_MAX = 8192;

    private final SourceReaderContext context;
    private final ScanTable table;
    private final ScanConfig config;
    private final long limit;
    private final int pollRows;
    private final Counter rowsIn;

    /** Splits that came since the last poll: they get their output there, where the output is at hand. */
    private final List<PartitionSplit> added = new ArrayList<>();

    private final List<Active> active = new ArrayList<>();

    /** Where bounded splits ended: the group is to know that too. */
    private final List<PartitionSplit> finished = new ArrayList<>();

    private int current;
    private long emitted;
    private boolean noMoreSplits;
    private boolean idle;
    private CompletableFuture<Void> available = CompletableFuture.completedFuture(null);
    private ScheduledExecutorService timer;

    /** {@code limit}: rows after which a bounded reader may stop; {@code pollRows}: rows a poll may hand on. */
    PartitionSourceReader(SourceReaderContext context, ScanTable table, ScanConfig config, long limit, int pollRows) {
        this.context = context;
        this.table = table;
        this.config = config;
        this.limit = limit;
        this.pollRows = pollRows;
        this.rowsIn = context.metricGroup().getIOMetricGroup().getNumRecordsInCounter();
    }

    @Override
    public void start() {
        timer =
                Executors.newSingleThreadScheduledExecutor(
                        task -> {
                            Thread thread = new Thread(task, "flinkms-poll-" + context.getIndexOfSubtask());
                            thread.setDaemon(true);
                            return thread;
                        });
    }

    @Override
    public InputStatus pollNext(ReaderOutput<RowData> output) throws Exception {
        openAdded(output);
        if (emitted >= limit) {
            return InputStatus.END_OF_INPUT;
        }
        for (int tries = active.size(); tries > 0 && !active.isEmpty(); tries--) {
            current %= active.size();
            Active split = active.get(current);
            if (emitRows(split)) {
                current++;
                return InputStatus.MORE_AVAILABLE;
            }
            if (split.cursor.isFinished()) {
                finish(active.remove(current), output);
            } else {
                current++;
            }
        }
        return nothingNow(output);
    }

    private boolean emitRows(Active split) throws IOException {
        int rows = 0;
        while (rows < pollRows && emitted < limit && !split.paused) {
            RowData row = split.cursor.next();
            if (row == null) {
                break;
            }
            split.output.collect(row);
            rows++;
            emitted++;
        }
        rowsIn.inc(rows);
        return rows > 0;
    }

    private void openAdded(ReaderOutput<RowData> output) throws IOException {
        for (PartitionSplit split : added) {
            active.add(new Active(table.open(split), output.createOutputForSplit(split.splitId())));
        }
        added.clear();
    }

    private void finish(Active split, ReaderOutput<RowData> output) throws IOException {
        output.releaseOutputForSplit(split.cursor.split().splitId());
        finished.add(split.cursor.split());
        split.cursor.close();
    }

    private InputStatus nothingNow(ReaderOutput<RowData> output) {
        if (active.isEmpty() && noMoreSplits) {
            return InputStatus.END_OF_INPUT;
        }
        if (active.isEmpty() && !idle) {
            // A subtask without a partition must not hold back the watermark of those that have one.
            output.markIdle();
        }
        idle = active.isEmpty();
        CompletableFuture<Void> next = new CompletableFuture<>();
        available = next;
        if (!active.isEmpty()) {
            timer.schedule(() -> next.complete(null), config.pollInterval().toNanos(), TimeUnit.NANOSECONDS);
        }
        return InputStatus.NOTHING_AVAILABLE;
    }

    @Override
    public CompletableFuture<Void> isAvailable() {
        return available;
    }

    @Override
    public void addSplits(List<PartitionSplit> splits) {
        added.addAll(splits);
        available.complete(null);
    }

    @Override
    public void notifyNoMoreSplits() {
        noMoreSplits = true;
        available.complete(null);
    }

    @Override
    public List<PartitionSplit> snapshotState(long checkpoint) {
        List<PartitionSplit> splits = new ArrayList<>(added);
        active.forEach(split -> splits.add(split.cursor.split()));
        if (config.group().isPresent()) {
            Map<String, LogPlace> places = new TreeMap<>();
            collectPlaces(finished, places);
            collectPlaces(splits, places);
            context.sendSourceEventToCoordinator(new PlacesEvent(checkpoint, places));
        }
        return splits;
    }

    /** A split that is still in its base has no place yet: whoever takes over starts at its beginning. */
    private static void collectPlaces(List<PartitionSplit> splits, Map<String, LogPlace> places) {
        for (PartitionSplit split : splits) {
            if (split.phase() == PartitionSplit.Phase.LOG) {
                places.put(split.splitId(), new LogPlace(split.position(), split.rows()));
            }
        }
    }

    @Override
    public void pauseOrResumeSplits(Collection<String> toPause, Collection<String> toResume) {
        for (Active split : active) {
            String id = split.cursor.split().splitId();
            split.paused = (split.paused || toPause.contains(id)) && !toResume.contains(id);
        }
    }

    @Override
    public void close() throws IOException {
        if (timer != null) {
            timer.shutdownNow();
        }
        for (Iterator<Active> it = active.iterator(); it.hasNext(); it.remove()) {
            it.next().cursor.close();
        }
    }
}
