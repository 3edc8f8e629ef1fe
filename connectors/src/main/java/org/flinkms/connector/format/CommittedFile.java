package org.flinkms.connector.format;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;

/** The file {@code committed} of a partition: up to where completed checkpoints vouch for it. */
public final class CommittedFile {
    private static final String NAME = "committed";

    private CommittedFile() {}

    /** The committed position of a partition; empty when its writer does not commit (a frontend's partition). */
    public static Optional<Position> read(Path partition) throws IOException {
        Path file = partition.resolve(NAME);
        try {
            JsonNode json = Json.read(file);
            return Optional.of(new Position(
                    Json.member(json, "epoch", file.toString()).asInt(),
                    Json.member(json, "offset", file.toString()).asLong()));
        } catch (NoSuchFileException e) {
            return Optional.empty();
        }
    }

    /**
     * Moves the committed position forward. It never goes back: a restore to an earlier point commits the start of a
     * new epoch, which is later than any position of the epochs before.
     */
    public static void advance(Path partition, Position position) throws IOException {
        Optional<Position> current = read(partition);
        if (current.isPresent() && current.get().compareTo(position) >= 0) {
            return;
        }
        DurableFiles.replace(partition.resolve(NAME),
                Json.bytes(Json.object().put("epoch", position.epoch()).put("offset", position.offset())));
    }
}
