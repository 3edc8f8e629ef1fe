package org.flinkms.connector.sink;

import org.flinkms.connector.format.DurableFiles;
import org.flinkms.connector.format.FormatException;
import org.flinkms.connector.format.Json;
import org.flinkms.connector.table.Manifest;

import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;

/**
 * Makes a written base visible: each table's files, each table's manifest, and last fit.json, which says that all
 * of it is there. Repeating a commit that was interrupted completes it.
 */
final class BaseCommitter implements Committer<BaseCommittable> {
    private final Path version;

    BaseCommitter(Path version) {
        this.version = version;
    }

    @Override
    public void commit(Collection<CommitRequest<BaseCommittable>> requests) throws IOException {
        for (CommitRequest<BaseCommittable> request : requests) {
            if (Files.exists(BaseLayout.visibleFit(version))) {
                request.signalAlreadyCommitted();
                continue;
            }
            for (String table : request.getCommittable().tables()) {
                commitTable(table);
            }
            DurableFiles.rename(BaseLayout.hiddenFit(version), BaseLayout.visibleFit(version));
        }
    }

    private void commitTable(String table) throws IOException {
        Path hidden = BaseLayout.hidden(version, table);
        Path visible = BaseLayout.visible(version, table);
        if (Files.exists(hidden)) {
            BaseLayout.removeDirectory(visible);
            DurableFiles.rename(hidden, visible);
        } else if (!Files.exists(visible)) {
            throw new FormatException("base " + hidden + " vanished before it could be committed");
        }
        ObjectNode manifest = Json.object().put("format", 1).put("base", BaseLayout.BASE);
        manifest.putObject("positions");
        DurableFiles.replace(version.resolve(table).resolve(Manifest.FILE), Json.bytes(manifest));
    }

    @Override
    public void close() {}
}
