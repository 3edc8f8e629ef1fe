package org.flinkms.connector.format;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/**
 * Files that appear whole or not at all, and stay after a power failure.
 *
 * <p>Everything readers look for is written under a dot-name, synced and renamed; readers skip dot-names.
 */
public final class DurableFiles {
    private DurableFiles() {}

    /** Replaces or creates {@code target} with {@code content}; of two at once, the later one wins whole. */
    public static void replace(Path target, byte[] content) throws IOException {
        Path hidden = target.resolveSibling("." + target.getFileName() + "." + UUID.randomUUID());
        try (FileChannel channel = FileChannel.open(hidden, StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE)) {
            writeFully(channel, ByteBuffer.wrap(content));
            channel.force(true);
        }
        rename(hidden, target);
    }

    /** Renames atomically, replacing a file of that name, and makes the new name durable. */
    public static void rename(Path from, Path to) throws IOException {
        Files.move(from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        syncDirectory(to.toAbsolutePath().getParent());
    }

    /** Makes the names in a directory durable. */
    public static void syncDirectory(Path directory) throws IOException {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    public static void writeFully(FileChannel channel, ByteBuffer data) throws IOException {
        while (data.hasRemaining()) {
            channel.write(data);
        }
    }
}
