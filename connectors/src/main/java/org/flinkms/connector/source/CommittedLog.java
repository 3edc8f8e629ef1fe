package org.flinkms.connector.source;

import org.flinkms.connector.format.CommittedFile;
import org.flinkms.connector.format.DirectoryStamp;
import org.flinkms.connector.format.DurableMark;
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
 * A partition as far as its writer vouches for it: up to the committed position when a Flink job writes it, up to what
 * is on disk when a frontend does; up to the last whole frame when its writer says neither.
 *
 * <p>What is read here is never taken back, which is what a downstream exactly-once job needs.
 */
final class CommittedLog implements Closeable {
    private final Path directory;
    private final DirectoryStamp stamp;
    private PartitionReader reader;
    @Nullable private DurableMark durable;

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
        Optional<Position> vouched = vouchedEnd(directory);
        if (vouched.isPresent()) {
            return vouched.get();
        }
        Position whole = PartitionReader.endOf(directory);
        // A writer may have started in between.
        return vouchedEnd(directory).orElse(whole);
    }

    private static Optional<Position> vouchedEnd(Path directory) throws IOException {
        Optional<Position> committed = CommittedFile.read(directory);
        if (committed.isPresent()) {
            return committed;
        }
        try (DurableMark mark = DurableMark.open(directory)) {
            return mark == null ? Optional.empty() : Optional.of(mark.read());
        }
    }

    /** Looks at what the writer says: an idle partition costs a file status, and a read of 24 bytes if a frontend's. */
    private void moveLimit() throws IOException {
        if (stamp.mayHaveChanged()) {
            limit = CommittedFile.read(directory).orElse(null);
            closeMark();
            durable = limit == null ? DurableMark.open(directory) : null;
        }
        if (durable != null) {
            limit = durable.read();
        }
    }

    private void closeMark() throws IOException {
        if (durable != null) {
            durable.close();
        }
    }

    /** The next entry, or null when there is none now. */
    @Nullable
    PartitionReader.Entry poll() throws IOException {
        if (stop != null) {
            return reader.poll(stop);
        }
        PartitionReader.Entry entry = limit == null ? null : reader.poll(limit);
        if (entry == null) {
            // A busy log does not come here until the limit is reached.
            moveLimit();
            entry = reader.poll(limit);
        }
        return entry != null && limit == null ? vouched(entry) : entry;
    }

    /**
     * An entry of a log whose writer said nothing when it was asked. One that starts just now says it before its first
     * frame: then the entry goes back and is read again once it is vouched for.
     */
    @Nullable
    private PartitionReader.Entry vouched(PartitionReader.Entry entry) throws IOException {
        moveLimit();
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
        closeMark();
        reader.close();
    }
}
