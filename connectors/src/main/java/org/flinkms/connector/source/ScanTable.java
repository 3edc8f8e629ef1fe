package org.flinkms.connector.source;

import java.io.IOException;
import java.io.Serializable;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;
import javax.annotation.Nullable;
import org.flinkms.connector.format.ModelSchema;
import org.flinkms.connector.format.Position;
import org.flinkms.connector.table.Manifest;
import org.flinkms.connector.table.TableLayout;
import org.flinkms.connector.table.TableLayout.Kind;

/** A table as a scan sees it: its partitions, what is read of each, and by which cursor. */
final class ScanTable implements Serializable {
    private static final long serialVersionUID = 1L;

    private final TableLayout layout;

    /** {@code layout} has the columns that the scan emits. */
    ScanTable(TableLayout layout) {
        this.layout = layout;
    }

    Path path() {
        return layout.path();
    }

    /** A bounded scan of a directory that is not there would look like an empty table; it is an error instead. */
    void requireExists() throws IOException {
        if (!Files.isDirectory(path())) {
            throw new NoSuchFileException(path().toString(), null, "directory of a flinkms table does not exist");
        }
    }

    /** Names of the partitions there are now. */
    SortedSet<String> partitions() throws IOException {
        SortedSet<String> names = new TreeSet<>();
        Path log = layout.log();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(log, Files::isDirectory)) {
            for (Path entry : entries) {
                String name = entry.getFileName().toString();
                if (!name.startsWith(".")) {
                    names.add(name);
                }
            }
        } catch (NoSuchFileException e) {
            names.clear();
        }
        if (layout.kind() == Kind.MODEL) {
            // Those without an update have no directory yet, but their keys have rows in the base.
            for (int i = 0; i < modelPartitions(); i++) {
                names.add("p" + i);
            }
        }
        return names;
    }

    private int modelPartitions() throws IOException {
        return ModelSchema.read(path().toAbsolutePath().normalize().getParent()).partitions();
    }

    /** Where a partition ends now. */
    Position end(String partition) throws IOException {
        return CommittedLog.end(layout.log().resolve(partition));
    }

    /**
     * The split of a partition that starts at {@code start} (null: at its beginning) and ends at {@code stop} (null:
     * never).
     */
    PartitionSplit split(String partition, @Nullable LogPlace start, @Nullable Position stop) throws IOException {
        if (start != null || layout.kind() == Kind.STREAM) {
            return PartitionSplit.ofLog(partition, start == null ? LogPlace.START : start, stop);
        }
        Optional<Manifest> manifest = Manifest.read(path());
        Position from = manifest.map(m -> m.position(partition)).orElse(Position.START);
        String base = manifest.map(Manifest::base).orElse(null);
        if (stop != null) {
            return new PartitionSplit(partition, PartitionSplit.Phase.STATE, base, from, 0, stop);
        }
        return base == null
                ? PartitionSplit.ofLog(partition, new LogPlace(from, 0), null)
                : new PartitionSplit(partition, PartitionSplit.Phase.BASE, base, from, 0, null);
    }

    /** The cursor that goes on where {@code split} is. */
    SplitCursor open(PartitionSplit split) throws IOException {
        if (split.phase() == PartitionSplit.Phase.LOG) {
            return new LogCursor(layout, split);
        }
        boolean isModel = layout.kind() == Kind.MODEL;
        int partition = isModel ? Integer.parseInt(split.splitId().substring(1)) : 0;
        int partitions = isModel ? modelPartitions() : 1;
        return split.phase() == PartitionSplit.Phase.BASE
                ? new BaseCursor(layout, split, partition, partitions)
                : new StateCursor(layout, split, partition, partitions);
    }
}
