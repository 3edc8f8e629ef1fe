package org.flinkms.connector.sink;

import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.api.connector.sink2.CommitterInitContext;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.SupportsCommitter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.table.data.RowData;

import java.io.IOException;

/**
 * Writes the trained base of a version of a model from fit bundles; one subtask, batch mode.
 *
 * <p>Nothing can be seen until the job's input has ended and everything is on disk: then the committer renames it.
 */
final class BaseSink implements Sink<RowData>, SupportsCommitter<BaseCommittable> {
    private static final long serialVersionUID = 1L;

    private final SinkConfig config;

    BaseSink(SinkConfig config) {
        this.config = config;
    }

    @Override
    public SinkWriter<RowData> createWriter(WriterInitContext context) throws IOException {
        return new BaseWriter(config.path(), config.modelTables());
    }

    @Override
    public Committer<BaseCommittable> createCommitter(CommitterInitContext context) {
        return new BaseCommitter(config.path());
    }

    @Override
    public SimpleVersionedSerializer<BaseCommittable> getCommittableSerializer() {
        return new BaseCommittable.Serializer();
    }
}
