package org.flinkms.connector.sink;

import org.flinkms.connector.format.TableSchema;

import org.apache.flink.api.connector.sink2.WriterInitContext;

import java.io.IOException;

/** Appends rows to a stream; each subtask writes a partition of its own, {@code <sink.writer>-<subtask>}. */
final class AppendSink extends LogSink {
    private static final long serialVersionUID = 1L;

    private final TableColumns columns;

    AppendSink(SinkConfig config, TableColumns columns) {
        super(config);
        this.columns = columns;
    }

    @Override
    LogWriter openWriter(WriterInitContext context, PartitionOpener opener) throws IOException {
        TableSchema schema = columns.ensure(config.path());
        return new AppendWriter(config, context, opener, schema);
    }
}
