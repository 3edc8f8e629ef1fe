package org.flinkms.connector.format;

import java.io.IOException;

/** Bytes are not what docs/modellog.md says they are. */
public class FormatException extends IOException {
    private static final long serialVersionUID = 1L;

    public FormatException(String message) {
        super(message);
    }
}
