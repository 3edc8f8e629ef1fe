package org.flinkms.connector.sink;

import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.api.connector.sink2.CommitterInitContext;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.StatefulSinkWriter;
import org.apache.flink.api.connector.sink2.SupportsCommitter;
import org.apache.flink.api.connector.sink2.SupportsWriterState;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.table.data.RowData;

import java.io.IOException;
import java.util.Collection;
import java.util.Collections;

/** What the sinks that append to a log have in common: their state, their committables, and how they restart. */
abstract class LogSink
        implements Sink<RowData>, SupportsWriterState<RowData, WriterPosition>, SupportsCommitter<WriterPosition> {
    private static final long serialVersionUID = 1L;

    protected final SinkConfig config;

    LogSink(SinkConfig config) {
        this.config = config;
    }

    /** A writer whose partitions go on at the positions that {@code opener} knows. */
    abstract LogWriter openWriter(WriterInitContext context, PartitionOpener opener) throws IOException;

    @Override
    public LogWriter createWriter(WriterInitContext context) throws IOException {
        return open(context, Collections.emptyList());
    }

    @Override
    public StatefulSinkWriter<RowData, WriterPosition> restoreWriter(
            WriterInitContext context, Collection<WriterPosition> state) throws IOException {
        return open(context, state);
    }

    private LogWriter open(WriterInitContext context, Collection<WriterPosition> state) throws IOException {
        PartitionOpener opener = new PartitionOpener(config, context.getTaskInfo(), state);
        opener.requireKeeps();
        try {
            return openWriter(context, opener);
        } catch (IOException | RuntimeException e) {
            opener.closeAll();
            throw e;
        }
    }

    @Override
    public Committer<WriterPosition> createCommitter(CommitterInitContext context) {
        return new LogCommitter(config.path());
    }

    @Override
    public SimpleVersionedSerializer<WriterPosition> getWriterStateSerializer() {
        return new WriterPositionSerializer();
    }

    @Override
    public SimpleVersionedSerializer<WriterPosition> getCommittableSerializer() {
        return new WriterPositionSerializer();
    }
}
