package org.flinkms.connector.lookup;

import org.flinkms.connector.format.PartitionReader;
import org.flinkms.connector.format.Position;
import org.flinkms.connector.table.Base;
import org.flinkms.connector.table.FrameRows;
import org.flinkms.connector.table.Manifest;
import org.flinkms.connector.table.TableLayout;

import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.types.RowKind;

import javax.annotation.Nullable;

import java.io.Closeable;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The rows of a keyed table or a model's table: the mapped base, and over it what the log has changed.
 *
 * <p>One thread calls {@link #refresh}; any number may call {@link #get} meanwhile and see each row either before or
 * after an update, never half of it. Like the frontends it reads past what is committed: a lookup wants the freshest
 * row, and what a restored writer takes back is repaired here.
 */
final class TableState implements Closeable {
    /** A row of the log ({@code row} null: the key was deleted) and where it was found. */
    private static final class Change {
        final String partition;
        final Position end;
        @Nullable final GenericRowData row;

        Change(String partition, Position end, @Nullable GenericRowData row) {
            this.partition = partition;
            this.end = end;
            this.row = row;
        }
    }

    /** Frames that one refresh takes from a partition before it turns to the next. */
    private static final int FRAMES_PER_TURN = 256;

    private final TableLayout layout;
    private final Optional<Manifest> manifest;
    @Nullable private final Base base;
    @Nullable private final KeyIndex index;
    private final ConcurrentHashMap<Object, Change> changes = new ConcurrentHashMap<>();
    private final Map<String, PartitionReader> readers = new TreeMap<>();
    private final FrameRows rows;

    /** Opens the table in the directory of {@code layout}; its rows have the columns of the layout. */
    TableState(TableLayout layout) throws IOException {
        this.layout = layout;
        this.rows = new FrameRows(layout);
        this.manifest = Manifest.read(layout.path());
        this.base = manifest.isPresent() ? Base.open(layout.path(), manifest.get().base()) : null;
        this.index = base == null ? null : new KeyIndex(base);
    }

    /** The row of a key (Long or StringData), or null when there is none. */
    @Nullable
    RowData get(Object key) {
        Change change = changes.get(key);
        if (change != null) {
            return change.row;
        }
        long row = index == null ? -1 : index.find(key);
        return row < 0 ? null : base.read(row, layout.columns());
    }

    /** Looks for partitions that have appeared since. */
    void discover() throws IOException {
        try (DirectoryStream<Path> entries =
                Files.newDirectoryStream(layout.log(), Files::isDirectory)) {
            for (Path entry : entries) {
                String name = entry.getFileName().toString();
                if (!name.startsWith(".") && !readers.containsKey(name)) {
                    readers.put(name, new PartitionReader(entry, start(name)));
                }
            }
        } catch (NoSuchFileException e) {
            // No writer has started yet: all rows there are lie in the base.
            return;
        }
    }

    private Position start(String partition) {
        return manifest.map(m -> m.position(partition)).orElse(Position.START);
    }

    /** Applies what is new; false when there was nothing. */
    boolean refresh() throws IOException {
        boolean any = false;
        for (Map.Entry<String, PartitionReader> reader : readers.entrySet()) {
            for (int i = 0; i < FRAMES_PER_TURN; i++) {
                PartitionReader.Entry entry = reader.getValue().poll();
                if (entry == null) {
                    break;
                }
                if (entry.isRewind()) {
                    repair(reader.getKey(), entry.end());
                } else {
                    apply(reader.getKey(), entry);
                }
                any = true;
            }
        }
        return any;
    }

    private void apply(String partition, PartitionReader.Entry entry) throws IOException {
        rows.open(entry.frame());
        for (int i = 0; i < entry.frame().rows(); i++) {
            changes.put(rows.key(i), change(partition, entry, i));
        }
    }

    private Change change(String partition, PartitionReader.Entry entry, int row) {
        GenericRowData data = null;
        if (!rows.isDelete(row)) {
            data = rows.read(row);
            data.setRowKind(RowKind.INSERT);
        }
        return new Change(partition, entry.end(), data);
    }

    /**
     * Puts right the keys whose rows came from after {@code valid}, and only those: the log before it is read again for
     * their last row, and a key that has none there falls back to the base. Until its turn a key keeps the row it had.
     */
    private void repair(String partition, Position valid) throws IOException {
        Set<Object> wrong = new HashSet<>();
        changes.forEach((key, change) -> {
            if (change.partition.equals(partition) && change.end.compareTo(valid) > 0) {
                wrong.add(key);
            }
        });
        Map<Object, Change> right = wrong.isEmpty() ? new HashMap<>() : lastBefore(partition, valid, wrong);
        for (Object key : wrong) {
            Change change = right.get(key);
            if (change == null) {
                changes.remove(key);
            } else {
                changes.put(key, change);
            }
        }
    }

    private Map<Object, Change> lastBefore(String partition, Position valid, Set<Object> keys) throws IOException {
        Map<Object, Change> last = new HashMap<>();
        Path directory = layout.log().resolve(partition);
        try (PartitionReader reader = new PartitionReader(directory, start(partition))) {
            for (PartitionReader.Entry entry = reader.poll(valid); entry != null; entry = reader.poll(valid)) {
                if (entry.isRewind()) {
                    continue;
                }
                rows.open(entry.frame());
                for (int i = 0; i < entry.frame().rows(); i++) {
                    Object key = rows.key(i);
                    if (keys.contains(key)) {
                        last.put(key, change(partition, entry, i));
                    }
                }
            }
        }
        return last;
    }

    @Override
    public void close() throws IOException {
        for (PartitionReader reader : readers.values()) {
            reader.close();
        }
    }
}
