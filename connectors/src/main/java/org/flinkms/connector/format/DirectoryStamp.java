package org.flinkms.connector.format;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/**
 * Tells by one file status whether names in a directory may have appeared, gone or been replaced.
 *
 * <p>Readers that poll every few milliseconds would else list the directory each time, which costs twenty times as much.
 * File systems stamp with a clock that ticks only every few milliseconds: a change right after a look can carry the
 * stamp that the look saw. So a stamp counts as seen only when it was old by then.
 */
public final class DirectoryStamp {
    /** Far more than the tick of any file system's clock that is met (1 to 10 ms; 2 s on FAT, which no log is on). */
    private static final long SETTLED_MS = 100;

    private static final long ABSENT = Long.MIN_VALUE;

    private final Path directory;
    private long seen;
    private boolean settled;

    public DirectoryStamp(Path directory) {
        this.directory = directory;
    }

    /** Whether something may have changed since the last call; true on the first. Ask before looking, not after. */
    public boolean mayHaveChanged() throws IOException {
        long modified = modifiedAt();
        boolean changed = modified != seen || !settled;
        seen = modified;
        settled = modified != ABSENT && System.currentTimeMillis() - modified >= SETTLED_MS;
        return changed;
    }

    private long modifiedAt() throws IOException {
        try {
            return Files.getLastModifiedTime(directory).toMillis();
        } catch (NoSuchFileException e) {
            return ABSENT;
        }
    }
}
