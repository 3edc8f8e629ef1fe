package org.flinkms.connector.source;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;
import org.flinkms.connector.format.DurableFiles;
import org.flinkms.connector.format.FormatException;
import org.flinkms.connector.format.Json;

/**
 * The positions that a named group has committed: {@code <path>/groups/<name>.json}.
 *
 * <p>Flink's own checkpoints restore the <em>same</em> job. This file lets another one go on, such as the successor of
 * a learning job whose SQL has changed, or a person who wants to see how far a job is.
 *
 * <p>Readers report their places with each snapshot; only when the checkpoint is complete do they count, because a
 * failed checkpoint is read again. Not thread-safe: it lives in the enumerator's thread.
 */
final class ScanGroup {
    private static final int FORMAT = 1;

    private final Path file;
    private final Map<String, LogPlace> committed = new TreeMap<>();
    private final TreeMap<Long, Map<String, LogPlace>> reported = new TreeMap<>();
    private long lastCompleted = -1;

    /** Goes on from what the group has committed, because partitions without a reader are not reported. */
    ScanGroup(Path table, String name) throws IOException {
        this.file = file(table, name);
        read(table, name).ifPresent(committed::putAll);
    }

    private static Path file(Path table, String name) {
        return table.resolve("groups").resolve(name + ".json");
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
        Map<String, LogPlace> next = new TreeMap<>(committed);
        due.values().forEach(next::putAll);
        due.clear();
        if (!next.equals(committed) || !Files.exists(file)) {
            write(next);
            committed.putAll(next);
        }
    }

    private void write(Map<String, LogPlace> places) throws IOException {
        ObjectNode node = Json.object().put("format", FORMAT);
        node.set("positions", LogPlace.toJson(places));
        Files.createDirectories(file.getParent());
        DurableFiles.replace(file, Json.bytes(node));
    }
}
