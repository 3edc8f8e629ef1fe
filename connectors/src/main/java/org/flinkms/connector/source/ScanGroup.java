package org.flinkms.connector.source;

import org.flinkms.connector.format.DurableFiles;
import org.flinkms.connector.format.FormatException;
import org.flinkms.connector.format.Json;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * The positions that a named group has committed: {@code <path>/groups/<name>.json}.
 *
 * <p>Flink's own checkpoints restore the <em>same</em> job. This file lets another one go on, such as the successor of
 * a job whose SQL has changed, or a person who wants to see how far a job is; retention keeps what it has not read.
 *
 * <p>A query may scan a table several times, each scan at a place of its own: an instance is what one scan has read. The
 * file says what all of them have: the least. They meet in the process of the job manager, where Flink runs all
 * enumerators of a job, and starts each before the job's first checkpoint.
 *
 * <p>Readers report their places with each snapshot; only when the checkpoint is complete do they count, because a
 * failed checkpoint is read again. What an instance keeps for itself is of its enumerator's thread; the scans of a group
 * are guarded by {@link #SCANS}.
 */
final class ScanGroup implements AutoCloseable {
    private static final int FORMAT = 1;

    /** By file, the scans that are open. */
    private static final Map<Path, Set<ScanGroup>> SCANS = new HashMap<>();

    private final Path file;
    private final Map<String, LogPlace> committed = new TreeMap<>();
    private final TreeMap<Long, Map<String, LogPlace>> reported = new TreeMap<>();
    private long lastCompleted = -1;

    /** Goes on from what the group has committed, because partitions without a reader are not reported. */
    ScanGroup(Path table, String name) throws IOException {
        this.file = file(table, name);
        synchronized (SCANS) {
            read(table, name).ifPresent(committed::putAll);
            SCANS.computeIfAbsent(file, group -> new LinkedHashSet<>()).add(this);
        }
    }

    /** By where links lead to: one table may be declared by several names. */
    private static Path file(Path table, String name) throws IOException {
        return (Files.exists(table) ? table.toRealPath() : table).resolve("groups").resolve(name + ".json");
    }

    /** What the group has committed; empty when there is no such group yet. */
    static Optional<Map<String, LogPlace>> read(Path table, String name) throws IOException {
        Path file = file(table, name);
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        JsonNode node = Json.read(file);
        if (node.path("format").asInt() != FORMAT) {
            throw new FormatException(file + " does not hold the positions of a group in format " + FORMAT);
        }
        try {
            return Optional.of(LogPlace.parseAll(Json.member(node, "positions", file.toString())));
        } catch (IllegalArgumentException e) {
            throw new FormatException(file + ": " + e.getMessage());
        }
    }

    /** Takes over what a reader has snapshot for a checkpoint. */
    void report(long checkpoint, Map<String, LogPlace> places) throws IOException {
        reported.computeIfAbsent(checkpoint, id -> new TreeMap<>()).putAll(places);
        if (checkpoint <= lastCompleted) {
            complete(lastCompleted);
        }
    }

    /** Commits what was reported up to and for {@code checkpoint}. */
    void complete(long checkpoint) throws IOException {
        lastCompleted = Math.max(lastCompleted, checkpoint);
        Map<Long, Map<String, LogPlace>> due = reported.headMap(checkpoint, true);
        synchronized (SCANS) {
            Map<String, LogPlace> before = least();
            due.values().forEach(committed::putAll);
            Map<String, LogPlace> least = least();
            if (!least.equals(before) || !Files.exists(file)) {
                write(least);
            }
        }
        due.clear();
    }

    /** What every open scan of the group has committed; a partition that one of them has not read is not named. */
    private Map<String, LogPlace> least() {
        Map<String, LogPlace> least = new TreeMap<>(committed);
        for (ScanGroup scan : SCANS.get(file)) {
            least.keySet().retainAll(scan.committed.keySet());
            least.replaceAll((partition, place) -> LogPlace.earlier(place, scan.committed.get(partition)));
        }
        return least;
    }

    private void write(Map<String, LogPlace> places) throws IOException {
        ObjectNode node = Json.object().put("format", FORMAT);
        node.set("positions", LogPlace.toJson(places));
        Files.createDirectories(file.getParent());
        DurableFiles.replace(file, Json.bytes(node));
    }

    /** This scan counts no more: its job has ended, or is started anew. */
    @Override
    public void close() {
        synchronized (SCANS) {
            Set<ScanGroup> scans = SCANS.get(file);
            if (scans != null && scans.remove(this) && scans.isEmpty()) {
                SCANS.remove(file);
            }
        }
    }
}
