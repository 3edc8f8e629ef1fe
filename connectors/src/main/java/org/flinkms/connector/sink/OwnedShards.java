package org.flinkms.connector.sink;

import org.flinkms.connector.format.ColumnType;
import org.flinkms.connector.format.PartitionWriter;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;

/** The shards of one keyed table that a subtask owns, by partition, each with the log it is written to. */
final class OwnedShards<R extends ShardRows> {
    private final Path table;
    private final int partitions;
    private final Map<Integer, ShardLog<R>> shards = new TreeMap<>();

    private OwnedShards(Path table, int partitions) {
        this.table = table;
        this.partitions = partitions;
    }

    /**
     * Opens the partitions that the subtask owns and loads their rows as of where it goes on.
     *
     * @param writer the writer that is to sync and commit them
     * @param name of the table in its model, or null for a table of its own
     * @param rows makes what a shard keeps of its rows
     * @param payload columns of the upsert frames after the four that all have
     */
    static <R extends ShardRows> OwnedShards<R> open(LogWriter writer, PartitionOpener opener, String name,
            boolean textKey, int partitions, Supplier<R> rows, List<ColumnType> payload) throws IOException {
        OwnedShards<R> owned = new OwnedShards<>(opener.table(name), partitions);
        ShardLoader<R> loader = new ShardLoader<>(owned.table, textKey, partitions);
        for (int partition : opener.owned(partitions)) {
            PartitionWriter log = opener.open(name, "p" + partition, partition);
            writer.register(PartitionOpener.relative(name, "p" + partition), log);
            Shard<R> shard = new Shard<>(textKey, rows.get());
            loader.add(partition, shard, log);
            owned.shards.put(partition, new ShardLog<>(shard, log, Shard.frameColumns(textKey, payload)));
        }
        loader.load();
        return owned;
    }

    /** The shard of a key. Throws when another subtask owns it: then two would write the history of one key. */
    ShardLog<R> of(Key key) throws IOException {
        int partition = key.partition(partitions);
        ShardLog<R> shard = shards.get(partition);
        if (shard == null) {
            throw new IOException("a row of partition p" + partition + " of " + table
                    + " was sent to a subtask that does not own it; set 'sink.parallelism'");
        }
        return shard;
    }

    Collection<ShardLog<R>> all() {
        return shards.values();
    }
}
