package org.flinkms.connector.sink;

import org.flinkms.connector.format.BlockBuilder;
import org.flinkms.connector.format.CommittedFile;
import org.flinkms.connector.format.Frame;
import org.flinkms.connector.format.PartitionWriter;
import org.flinkms.connector.format.RowWriter;
import org.flinkms.connector.format.TableSchema;

import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.table.data.RowData;

import javax.annotation.Nullable;

import java.io.IOException;
import java.nio.file.Path;
import java.util.stream.IntStream;

/**
 * Writes the rows of one subtask of an {@link AppendSink}, in the order in which they come; none when they are to be
 * written once and are committed.
 */
final class AppendWriter extends LogWriter {
    /** Null when there is nothing to write. */
    @Nullable private final PartitionWriter log;
    private final RowWriter rows;
    private final BlockBuilder block;

    AppendWriter(SinkConfig config, WriterInitContext context, PartitionOpener opener, TableSchema schema)
            throws IOException {
        super(config, context);
        String name = config.writer() + "-" + opener.subtask();
        rows = new RowWriter(schema.types(), IntStream.range(0, schema.types().size()).toArray(), 0);
        block = new BlockBuilder(RowWriter.columnTypes(schema.types()));
        if (config.once() && opener.parallelism() > 1) {
            // Subtasks commit one after another: some of them might have, and their rows are others the next time.
            throw new IOException("'sink.once' needs a sink with one subtask, not " + opener.parallelism());
        }
        if (config.once() && isCommitted(opener, name)) {
            log = null;
            return;
        }
        log = opener.open(null, name, opener.subtask());
        register(PartitionOpener.relative(null, name), log);
    }

    /** An attempt that was given up before its commit leaves the beginning of its epoch as what is committed. */
    private static boolean isCommitted(PartitionOpener opener, String name) throws IOException {
        Path directory = opener.table(null).resolve(PartitionOpener.relative(null, name));
        return CommittedFile.read(directory).filter(committed -> committed.offset() > 0).isPresent();
    }

    @Override
    int add(RowData row, long eventTimeMicros) throws IOException {
        if (log == null) {
            return 0;
        }
        rows.write(row, block);
        if (block.bytes() >= FRAME_BYTES_TARGET) {
            writePending();
        }
        return 1;
    }

    @Override
    void writePending() throws IOException {
        appendFrame(log, Frame.APPEND, block);
    }
}
