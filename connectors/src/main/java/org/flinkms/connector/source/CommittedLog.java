package org.flinkms.connector.source;

import org.flinkms.connector.format.CommittedFile;
import org.flinkms.connector.format.DirectoryStamp;
import org.flinkms.connector.format.PartitionReader;
import org.flinkms.connector.format.Position;
import org.flinkms.connector.table.TableLayout;

import javax.annotation.Nullable;

import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * A partition as far as its writer vouches for it: up to the committed position when a Flink job writes it, else up to
 * the last whole frame.
 *
 * <p>What is read here is never taken back, which is what a downstream exactly-once job needs.
 */
final class CommittedLog implements Closeable {
    private final Path directory;
    private final DirectoryStamp stamp;
    private PartitionReader reader;

    /** Where the partition ended when a bounded job started; null for an unbounded one. */
    @Nullable private final Position stop;
    @Nullable private Position limit;

    private final boolean stream;

    private CommittedLog(Path directory, boolean stream, Position from, @Nullable Position stop) {
        this.directory = directory;
        this.stream = stream;
        this.stamp = new DirectoryStamp(directory);
        this.reader = read(from);
        this.stop = stop;
        this.limit = stop;
    }

    /** The log of a split from its position on. */
    static CommittedLog open(TableLayout layout, PartitionSplit split) {
        return new CommittedLog(layout.log().resolve(split.splitId()), layout.kind() == TableLayout.Kind.STREAM,
                split.position(), split.stop());
    }

    /** The end of a partition now. */
    static Position end(Path directory) throws IOException {
        Optional<Position> committed = CommittedFile.read(directory);
        if (committed.isPresent()) {
            return committed.get();
        }
        Position whole = PartitionReader.endOf(directory);
        // A job's writer may have started in between.
        return CommittedFile.read(directory).orElse(whole);
    }

    /** The next entry, or null when there is none now. */
    @Nullable
    PartitionReader.Entry poll() throws IOException {
        if (stop != null) {
            return reader.poll(stop);
        }
        PartitionReader.Entry entry = limit == null ? null : reader.poll(limit);
        if (entry == null) {
            // A busy log does not come here until the limit is reached, an idle one asks for a file status only.
            if (stamp.mayHaveChanged()) {
                limit = CommittedFile.read(directory).orElse(null);
            }
            entry = reader.poll(limit);
        }
        return entry != null && limit == null ? vouched(entry) : entry;
    }

    /**
     * An entry of a log that had no committed position when it was looked for. A job's writer that starts just now
     * makes one before its first frame: then the entry goes back and is read again once it is committed.
     */
    @Nullable
    private PartitionReader.Entry vouched(PartitionReader.Entry entry) throws IOException {
        if (stamp.mayHaveChanged()) {
            limit = CommittedFile.read(directory).orElse(null);
        }
        if (limit == null || entry.end().compareTo(limit) <= 0) {
            return entry;
        }
        reader.close();
        reader = read(entry.start());
        return null;
    }

    private PartitionReader read(Position from) {
        return stream ? PartitionReader.ofStream(directory, from) : new PartitionReader(directory, from);
    }

    Position position() {
        return reader.position();
    }

    boolean isFinished() {
        return stop != null
                && (reader.position().compareTo(stop) >= 0 || stream && !Files.exists(directory));
    }

    @Override
    public void close() throws IOException {
        reader.close();
    }
}
