package org.flinkms.connector.sink;

import org.flinkms.connector.format.CommittedFile;
import org.flinkms.connector.format.Position;

import org.apache.flink.api.connector.sink2.Committer;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;

/**
 * Moves the committed positions of partitions forward once a checkpoint is complete.
 *
 * <p>Repeating a commit after a restore does no harm: positions only move forward.
 */
final class LogCommitter implements Committer<WriterPosition> {
    private final Path path;
    private final DiskThreads disk = new DiskThreads("flinkms-commit");

    LogCommitter(Path path) {
        this.path = path;
    }

    @Override
    public void commit(Collection<CommitRequest<WriterPosition>> requests) throws IOException {
        Map<String, Position> newest = new HashMap<>();
        for (CommitRequest<WriterPosition> request : requests) {
            WriterPosition committable = request.getCommittable();
            newest.merge(committable.partition(), committable.position(), (a, b) -> a.compareTo(b) >= 0 ? a : b);
        }
        disk.forEach(newest.entrySet(), entry -> CommittedFile.advance(path.resolve(entry.getKey()), entry.getValue()));
    }

    @Override
    public void close() {
        disk.close();
    }
}
