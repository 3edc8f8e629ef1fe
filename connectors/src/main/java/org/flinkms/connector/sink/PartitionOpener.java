package org.flinkms.connector.sink;

import org.flinkms.connector.format.PartitionWriter;
import org.flinkms.connector.format.Position;
import org.flinkms.connector.table.Manifest;

import org.apache.flink.api.common.TaskInfo;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Opens the partitions of one subtask, each in a new epoch, where the subtask is to go on.
 *
 * <p>That is, in this order: the position in the checkpoint it is restored from; the one the user names in
 * 'sink.start-positions'; what was committed. A checkpoint can only be restored with the parallelism it was taken
 * with: Flink would hand the positions of a partition to a subtask that does not own it.
 */
final class PartitionOpener {
    private final SinkConfig config;
    private final TaskInfo task;
    private final Map<String, Position> restored = new HashMap<>();
    private final List<PartitionWriter> opened = new ArrayList<>();

    PartitionOpener(SinkConfig config, TaskInfo task, Collection<WriterPosition> state) throws IOException {
        this.config = config;
        this.task = task;
        for (WriterPosition entry : state) {
            if (entry.parallelism() != task.getNumberOfParallelSubtasks()) {
                throw new IOException("the checkpoint was taken with " + entry.parallelism()
                        + " subtasks of the flinkms sink and cannot be restored with "
                        + task.getNumberOfParallelSubtasks()
                        + "; keep the parallelism, or start without the checkpoint and with 'sink.start-positions'");
            }
            restored.put(entry.partition(), entry.position());
        }
    }

    /**
     * Throws when a partition cannot go on where it is told to, because a base contains more of its log. Of all
     * partitions that a position is known of, whoever owns them, and before any is opened: opening one supersedes what
     * comes after. What was committed needs no look: a base never contains more.
     */
    void requireKeeps() throws IOException {
        Map<String, Position> starts = restored.isEmpty() ? config.startPositions().byDirectory() : restored;
        for (Map.Entry<String, Position> start : starts.entrySet()) {
            Path directory = config.path().resolve(start.getKey());
            Optional<Manifest> manifest = Manifest.read(directory.getParent().getParent());
            if (manifest.isPresent()) {
                Position base = manifest.get().position(directory.getFileName().toString());
                PartitionWriter.requireKeeps(directory, base, start.getValue());
            }
        }
    }

    int subtask() {
        return task.getIndexOfThisSubtask();
    }

    int parallelism() {
        return task.getNumberOfParallelSubtasks();
    }

    /** Partitions of {@code partitions} that this subtask owns: those with partition % parallelism = subtask. */
    List<Integer> owned(int partitions) {
        List<Integer> owned = new ArrayList<>();
        for (int partition = subtask(); partition < partitions; partition += parallelism()) {
            owned.add(partition);
        }
        return owned;
    }

    /** Directory of a table: the sink's own, or that of a table of a model. */
    Path table(String name) {
        return name == null ? config.path() : config.path().resolve(name);
    }

    /** Path, relative to the sink's, of a partition; {@code table} is null but for a table of a model. */
    static String relative(String table, String name) {
        return (table == null ? "" : table + "/") + "log/" + name;
    }

    /** Opens the partition {@code name} with number {@code number}. */
    PartitionWriter open(String table, String name, int number) throws IOException {
        Path directory = config.path().resolve(relative(table, name));
        Position position = restored.get(relative(table, name));
        if (position == null) {
            Optional<Position> chosen = config.startPositions().of(table, name);
            position = chosen.isPresent() ? chosen.get() : PartitionWriter.lastPosition(directory);
        }
        PartitionWriter writer = PartitionWriter.open(directory, number, position, LogWriter.nowMicros());
        opened.add(writer);
        return writer;
    }

    /** Closes what was opened, when the writer that was to use it could not start. */
    void closeAll() throws IOException {
        for (PartitionWriter writer : opened) {
            writer.close();
        }
    }
}
