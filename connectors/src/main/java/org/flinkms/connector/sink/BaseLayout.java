package org.flinkms.connector.sink;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;

/** Names of the files of a base that is being written and of the same base once it is visible. */
final class BaseLayout {
    static final String BASE = "base-000001";

    private BaseLayout() {}

    static Path hidden(Path version, String table) {
        return version.resolve(table).resolve("." + BASE);
    }

    static Path visible(Path version, String table) {
        return version.resolve(table).resolve(BASE);
    }

    static Path hiddenFit(Path version) {
        return version.resolve(".fit.json");
    }

    /** Appears last: whoever sees it sees a whole version. */
    static Path visibleFit(Path version) {
        return version.resolve("fit.json");
    }

    /** Removes a directory with all that is in it, or does nothing when it is not there. */
    static void removeDirectory(Path directory) throws IOException {
        if (!Files.exists(directory)) {
            return;
        }
        Files.walkFileTree(directory, new SimpleFileVisitor<Path>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                Files.delete(file);
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path visited, IOException failure) throws IOException {
                Files.delete(visited);
                return FileVisitResult.CONTINUE;
            }
        });
    }
}
