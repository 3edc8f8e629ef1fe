package org.flinkms.connector.format;

import java.nio.file.Path;

/**
 * A log holds bytes that can be neither data nor the torn end of a write, or is not what a base was made from; names
 * the file and the offset in it, or the log.
 *
 * <p>The message carries SQLSTATE XX001 so that whoever reports a failed job can show the right code.
 */
public final class CorruptLogException extends FormatException {
    private static final long serialVersionUID = 1L;

    public CorruptLogException(Path file, long fileOffset, String reason) {
        super("XX001: log file " + file + " is corrupt at byte " + fileOffset + ": " + reason);
    }

    CorruptLogException(Path directory, String reason) {
        super("XX001: log " + directory + ": " + reason);
    }
}
