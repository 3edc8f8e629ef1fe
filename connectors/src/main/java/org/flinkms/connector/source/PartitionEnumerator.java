package org.flinkms.connector.source;

import org.flinkms.connector.format.Position;
import org.flinkms.connector.source.ScanOptions.StartupMode;

import org.apache.flink.api.connector.source.SourceEvent;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.api.connector.source.SplitsAssignment;
import org.apache.flink.util.FlinkRuntimeException;

import javax.annotation.Nullable;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Finds the partitions of a table, decides where each is read from and to, and hands them to the readers.
 *
 * <p>A partition goes to the reader that its name hashes to, so that a restart deals them out alike. All methods run in
 * the coordinator's thread but {@link #discover}, which reads the file system.
 */
final class PartitionEnumerator implements SplitEnumerator<PartitionSplit, EnumeratorState> {
    private final SplitEnumeratorContext<PartitionSplit> context;
    private final ScanTable table;
    private final ScanConfig config;
    private final Set<String> known;
    private final List<PartitionSplit> unassigned;
    @Nullable private final ScanGroup group;

    /** Whether the first discovery is over; read by {@link #discover} in its worker thread. */
    private volatile boolean discovered;

    PartitionEnumerator(
            SplitEnumeratorContext<PartitionSplit> context, ScanTable table, ScanConfig config, EnumeratorState state)
            throws IOException {
        this.context = context;
        this.table = table;
        this.config = config;
        this.discovered = state.discovered();
        this.known = new HashSet<>(state.known());
        this.unassigned = new ArrayList<>(state.unassigned());
        this.group = config.group().isPresent() ? new ScanGroup(table.path(), config.group().get()) : null;
    }

    @Override
    public void start() {
        if (!config.bounded()) {
            context.callAsync(this::discover, this::addDiscovered, 0, config.discoveryInterval().toMillis());
        } else if (!discovered) {
            context.callAsync(this::discover, this::addDiscovered);
        }
    }

    /** Splits of all partitions there are now, at the places where a new reader would start. */
    private List<PartitionSplit> discover() throws IOException {
        if (config.bounded()) {
            table.requireExists();
        }
        Map<String, LogPlace> starts = discovered ? Collections.emptyMap() : startPlaces();
        List<PartitionSplit> splits = new ArrayList<>();
        for (String partition : table.partitions()) {
            if (config.reads(partition)) {
                splits.add(table.split(partition, starts.get(partition), stop(partition)));
            }
        }
        return splits;
    }

    /** Where a partition ends: where the options say, or, in a bounded scan, where it ends now; null: never. */
    @Nullable
    private Position stop(String partition) throws IOException {
        if (!config.bounded()) {
            return null;
        }
        Position chosen = config.stopPosition(partition);
        return chosen == null ? table.end(partition) : chosen;
    }

    /** Places of the partitions that do not start at their beginning. */
    private Map<String, LogPlace> startPlaces() throws IOException {
        StartupMode mode = config.startup();
        if (mode == StartupMode.GROUP) {
            Map<String, LogPlace> committed = ScanGroup.read(table.path(), config.group().orElseThrow()).orElse(null);
            if (committed != null) {
                return committed;
            }
            mode = config.fallback();
        }
        return mode == StartupMode.LATEST ? endPlaces() : config.startPlaces();
    }

    private Map<String, LogPlace> endPlaces() throws IOException {
        Map<String, LogPlace> ends = new TreeMap<>();
        for (String partition : table.partitions()) {
            ends.put(partition, new LogPlace(table.end(partition), 0));
        }
        return ends;
    }

    private void addDiscovered(List<PartitionSplit> splits, Throwable failure) {
        if (failure != null) {
            throw new FlinkRuntimeException("could not read the partitions of " + table.path(), failure);
        }
        for (PartitionSplit split : splits) {
            if (known.add(split.splitId())) {
                unassigned.add(split);
            }
        }
        discovered = true;
        assign();
        if (config.bounded()) {
            context.registeredReaders().keySet().forEach(context::signalNoMoreSplits);
        }
    }

    private void assign() {
        Map<Integer, List<PartitionSplit>> assignment = new HashMap<>();
        for (Iterator<PartitionSplit> it = unassigned.iterator(); it.hasNext(); ) {
            PartitionSplit split = it.next();
            int owner = Math.floorMod(split.splitId().hashCode(), context.currentParallelism());
            if (context.registeredReaders().containsKey(owner)) {
                assignment.computeIfAbsent(owner, subtask -> new ArrayList<>()).add(split);
                it.remove();
            }
        }
        if (!assignment.isEmpty()) {
            context.assignSplits(new SplitsAssignment<>(assignment));
        }
    }

    @Override
    public void addReader(int subtask) {
        assign();
        if (config.bounded() && discovered) {
            context.signalNoMoreSplits(subtask);
        }
    }

    @Override
    public void addSplitsBack(List<PartitionSplit> splits, int subtask) {
        unassigned.addAll(splits);
        assign();
    }

    @Override
    public void handleSplitRequest(int subtask, @Nullable String requesterHostname) {
        // Partitions are pushed as they are found; readers do not ask.
    }

    @Override
    public EnumeratorState snapshotState(long checkpoint) {
        return new EnumeratorState(table.path().toString(), discovered, known, unassigned);
    }

    @Override
    public void handleSourceEvent(int subtask, SourceEvent event) {
        PlacesEvent places = (PlacesEvent) event;
        if (group != null) {
            try {
                group.report(places.checkpoint(), places.places());
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    @Override
    public void notifyCheckpointComplete(long checkpoint) throws IOException {
        if (group != null) {
            group.complete(checkpoint);
        }
    }

    @Override
    public void close() {
        if (group != null) {
            group.close();
        }
    }
}
