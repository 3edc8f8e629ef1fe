package org.flinkms.connector.sink;

import org.flinkms.connector.format.FormatException;
import org.flinkms.connector.format.PartitionReader;
import org.flinkms.connector.format.PartitionWriter;
import org.flinkms.connector.format.Position;
import org.flinkms.connector.table.Base;
import org.flinkms.connector.table.Manifest;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Brings the shards of one subtask up to where their writers go on: the table's base, then each partition's log from
 * the base's position to the start of the writer's new epoch.
 */
final class ShardLoader<R extends ShardRows> {
    private final Path table;
    private final boolean textKey;
    private final int partitions;
    private final Map<Integer, Shard<R>> shards = new TreeMap<>();
    private final Map<Integer, PartitionWriter> logs = new TreeMap<>();

    /** A loader of the table at {@code table}, which has {@code partitions} partitions in all. */
    ShardLoader(Path table, boolean textKey, int partitions) {
        this.table = table;
        this.textKey = textKey;
        this.partitions = partitions;
    }

    /** Adds a shard to be loaded; its log was just opened and nothing is written to it yet. */
    void add(int partition, Shard<R> shard, PartitionWriter log) {
        shards.put(partition, shard);
        logs.put(partition, log);
    }

    /** Loads every shard added. */
    void load() throws IOException {
        if (shards.isEmpty()) {
            return;
        }
        Optional<Manifest> manifest = Manifest.read(table);
        if (manifest.isPresent()) {
            loadBase(Base.open(table, manifest.get().base()));
        }
        for (Map.Entry<Integer, Shard<R>> entry : shards.entrySet()) {
            String partition = "p" + entry.getKey();
            Position from = manifest.map(m -> m.position(partition)).orElse(Position.START);
            loadLog(entry.getValue(), logs.get(entry.getKey()), from);
        }
    }

    private void loadBase(Base base) throws IOException {
        if (base.hasTextKeys() != textKey) {
            throw new FormatException("the base of " + table + " has other keys than its table");
        }
        Key key = new Key(textKey);
        for (long from = 0; from < base.rows(); from++) {
            if (textKey) {
                key.set(base.textKey(from));
            } else {
                key.set(base.longKey(from));
            }
            Shard<R> shard = shards.get(key.partition(partitions));
            if (shard != null) {
                int row = shard.row(key);
                shard.setSequence(row, base.sequence(from));
                shard.rows().load(row, base, from);
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
