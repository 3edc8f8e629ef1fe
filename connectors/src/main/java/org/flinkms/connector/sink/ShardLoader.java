package org.flinkms.connector.sink;

import org.flinkms.connector.format.PartitionReader;
import org.flinkms.connector.format.PartitionWriter;
import org.flinkms.connector.format.Position;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/**
 * Brings the shards of one subtask up to where their writers go on: the table's base, then each partition's log from
 * the base's position to the start of the writer's new epoch.
 */
final class ShardLoader<R extends ShardRows> {
    private final Path table;
    private final boolean textKey;
    private final int partitions;
    private final TreeMap<Integer, Shard<R>> shards = new TreeMap<>();

    /** A loader of the table at {@code table}, which has {@code partitions} partitions in all. */
    ShardLoader(Path table, boolean textKey, int partitions) {
        this.table = table;
        this.textKey = textKey;
        this.partitions = partitions;
    }

    void add(int partition, Shard<R> shard) {
        shards.put(partition, shard);
    }

    /** Loads every shard added; {@code writers} are by partition number, just opened, with nothing written yet. */
    void load(Map<Integer, PartitionWriter> writers) throws IOException {
        if (shards.isEmpty()) {
            return;
        }
        BaseManifest manifest = BaseManifest.read(table);
        if (manifest.base() != null) {
            loadBase(manifest.base());
        }
        for (Map.Entry<Integer, Shard<R>> entry : shards.entrySet()) {
            PartitionWriter writer = writers.get(entry.getKey());
            loadLog(entry.getValue(), writer, manifest.position(entry.getKey()));
        }
    }

    private void loadBase(Path base) throws IOException {
        Key key = new Key(textKey);
        try (BaseReader reader = new BaseReader(base, textKey)) {
            while (reader.next(key)) {
                Shard<R> shard = shards.get(key.partition(partitions));
                if (shard != null) {
                    int row = shard.row(key);
                    shard.setSequence(row, reader.sequence());
                    shard.rows().load(row, reader.row());
                }
            }
        }
    }

    private void loadLog(Shard<R> shard, PartitionWriter writer, Position from) throws IOException {
        try (PartitionReader reader = new PartitionReader(writer.directory(), from)) {
            PartitionReader.Entry entry = reader.poll(writer.position());
            while (entry != null) {
                if (entry.isRewind()) {
                    throw new IOException("the base of " + table + " holds the log of " + writer.directory()
                            + " up to " + from + ", past the position " + entry.end() + " its writer goes on from; "
                            + "restore a later checkpoint");
                }
                shard.load(entry.frame());
                entry = reader.poll(writer.position());
            }
        }
    }
}
