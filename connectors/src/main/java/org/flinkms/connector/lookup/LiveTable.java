package org.flinkms.connector.lookup;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import javax.annotation.Nullable;
import org.apache.flink.table.data.RowData;
import org.flinkms.connector.format.FormatException;
import org.flinkms.connector.table.TableLayout;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A table in memory that a thread of its own keeps up to date.
 *
 * <p>When the log no longer reaches back to where this table is, because compaction and retention have overtaken it,
 * the table is loaded anew beside the old one and then takes its place. Any other failure is kept and thrown to whoever
 * looks something up: a job must fail rather than serve rows that have stopped changing.
 */
final class LiveTable {
    private static final Logger LOG = LoggerFactory.getLogger(LiveTable.class);

    /** How often the directory is searched for new partitions: a writer creates them once, when it starts. */
    private static final long DISCOVERY_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    /** How long closing waits for the thread: one frame is applied far faster. */
    private static final long STOP_MS_MAX = 10_000;

    private final TableLayout layout;
    private final Thread thread;
    private volatile TableState state;
    private volatile Duration interval;
    private volatile boolean stopping;
    @Nullable private volatile Exception failure;
    private long discoveredAt;

    /** Loads the table; on return it holds all that was in the log. */
    LiveTable(TableLayout layout, Duration interval) throws IOException {
        this.layout = layout;
        this.interval = interval;
        this.state = load();
        this.thread = new Thread(this::run, "flinkms-lookup " + layout.path());
        this.thread.setDaemon(true);
        this.thread.start();
    }

    private TableState load() throws IOException {
        TableState fresh = new TableState(layout);
        fresh.discover();
        discoveredAt = System.nanoTime();
        while (fresh.refresh()) {
            continue;
        }
        return fresh;
    }

    /** Refreshes at least this often from now on. */
    synchronized void atLeastEvery(Duration wanted) {
        if (wanted.compareTo(interval) < 0) {
            interval = wanted;
        }
    }

    /** The row of a key (Long or StringData), or null. Throws IOException when the table is no longer refreshed. */
    @Nullable
    RowData get(Object key) throws IOException {
        Exception cause = failure;
        if (cause != null) {
            throw new IOException(
                    "table in " + layout.path() + " can no longer be followed: " + cause.getMessage(), cause);
        }
        return state.get(key);
    }

    private void run() {
        try {
            while (!stopping) {
                if (!refresh()) {
                    TimeUnit.NANOSECONDS.sleep(interval.toNanos());
                }
            }
        } catch (InterruptedException e) {
            LOG.debug("Thread of table {} was told to stop.", layout.path());
        } catch (IOException | RuntimeException e) {
            failure = e;
            LOG.error("Table {} can no longer be followed.", layout.path(), e);
        }
    }

    private boolean refresh() throws IOException {
        try {
            if (System.nanoTime() - discoveredAt >= DISCOVERY_NANOS) {
                discoveredAt = System.nanoTime();
                state.discover();
            }
            return state.refresh();
        } catch (FormatException e) {
            LOG.warn("Table {} is loaded anew: {}", layout.path(), e.getMessage());
            TableState old = state;
            state = load();
            old.close();
            return true;
        }
    }

    /** Stops the thread and closes the files. */
    void close() throws IOException {
        stopping = true;
        thread.interrupt();
        try {
            thread.join(STOP_MS_MAX);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        state.close();
    }
}
