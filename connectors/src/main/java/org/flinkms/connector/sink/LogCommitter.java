package org.flinkms.connector.sink;

import org.flinkms.connector.format.CommittedFile;

import org.apache.flink.api.connector.sink2.Committer;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Collection;

/**
 * Moves the committed positions of partitions forward once a checkpoint is complete.
 *
 * <p>Repeating a commit after a restore does no harm: positions only move forward.
 */
final class LogCommitter implements Committer<WriterPosition> {
    private final Path path;

    LogCommitter(Path path) {
        this.path = path;
    }

    @Override
    public void commit(Collection<CommitRequest<WriterPosition>> requests) throws IOException {
        for (CommitRequest<WriterPosition> request : requests) {
            WriterPosition committable = request.getCommittable();
            CommittedFile.advance(path.resolve(committable.partition()), committable.position());
        }
    }

    @Override
    public void close() {}
}
