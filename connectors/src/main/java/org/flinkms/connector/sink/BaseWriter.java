package org.flinkms.connector.sink;

import org.flinkms.connector.format.Bundle;
import org.flinkms.connector.format.DurableFiles;
import org.flinkms.connector.format.FormatException;
import org.flinkms.connector.format.Json;
import org.flinkms.connector.format.ModelSchema;

import org.apache.flink.api.connector.sink2.CommittingSinkWriter;
import org.apache.flink.table.data.RowData;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;

/** Collects fit bundles into hidden base files, which are complete and synced when the input has ended. */
final class BaseWriter implements CommittingSinkWriter<RowData, BaseCommittable> {
    private final Path version;
    private final List<BaseTableWriter> tables = new ArrayList<>();
    private final List<String> names = new ArrayList<>();
    private String fit;
    private boolean ended;

    BaseWriter(Path version, List<ModelSchema.Table> schema) throws IOException {
        this.version = version;
        if (Files.exists(BaseLayout.visibleFit(version))) {
            throw new IOException(version + " has a base already; a version is trained once");
        }
        for (ModelSchema.Table table : schema) {
            tables.add(new BaseTableWriter(BaseLayout.hidden(version, table.name()), table));
            names.add(table.name());
        }
    }

    @Override
    public void write(RowData row, Context context) throws IOException {
        if (row.isNullAt(0)) {
            return;
        }
        for (Bundle.Entry entry : Bundle.decode(row.getBinary(0)).entries()) {
            if (entry.isJson()) {
                setFit(entry.json());
            } else if (entry.tag() >= 0 && entry.tag() < tables.size()) {
                tables.get(entry.tag()).append(entry.block());
            } else {
                throw new FormatException("a fit bundle has an entry with tag " + entry.tag() + " for a model of "
                        + tables.size() + " tables");
            }
        }
    }

    private void setFit(String json) throws IOException {
        if (fit != null) {
            throw new FormatException("fit bundles describe the fit twice");
        }
        Json.parse(json, "the description of the fit");
        fit = json;
    }

    @Override
    public void flush(boolean endOfInput) throws IOException {
        if (!endOfInput || ended) {
            return;
        }
        if (fit == null) {
            // Flink never calls an aggregate function without a row.
            throw new FormatException("no rows to train on: the query returned none");
        }
        for (BaseTableWriter table : tables) {
            table.finish();
        }
        DurableFiles.replace(BaseLayout.hiddenFit(version), fit.getBytes(StandardCharsets.UTF_8));
        ended = true;
    }

    @Override
    public Collection<BaseCommittable> prepareCommit() {
        return ended ? Collections.singletonList(new BaseCommittable(names)) : Collections.emptyList();
    }

    @Override
    public void close() throws IOException {
        for (BaseTableWriter table : tables) {
            table.close();
        }
    }
}
