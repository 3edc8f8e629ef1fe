package org.flinkms.connector.table;

import java.io.IOException;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.table.catalog.ResolvedSchema;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.flinkms.connector.format.ColumnType;
import org.flinkms.connector.format.Frame;
import org.flinkms.connector.format.ModelSchema;
import org.flinkms.connector.format.TableSchema;
import org.flinkms.connector.table.TableColumn.Role;

/**
 * What lies in the directory of a table, and where in its frames each declared column is.
 *
 * <p>What the directory records counts: a declaration may list the columns of a stream in another order, or leave some
 * out. Where nothing is recorded yet, because no writer has started, the declaration's own order is taken, which is
 * what the first writer will record.
 */
public final class TableLayout implements Serializable {
    /** The three kinds of tables. */
    public enum Kind {
        /** Rows are appended. */
        STREAM,
        /** Rows are upserted under a key. */
        KEYED,
        /** A table of a version of a model: vectors under keys, with a trained base. */
        MODEL
    }

    private static final long serialVersionUID = 1L;

    private final Kind kind;
    private final String path;
    private final List<TableColumn> columns;

    private TableLayout(Kind kind, String path, List<TableColumn> columns) {
        this.kind = kind;
        this.path = path;
        this.columns = Collections.unmodifiableList(new ArrayList<>(columns));
    }

    /** The layout of a declared table. Throws {@link ValidationException} when declaration and directory disagree. */
    public static TableLayout of(ResolvedSchema schema, Path path) {
        List<Column> declared =
                schema.getColumns().stream().filter(Column::isPhysical).collect(Collectors.toList());
        Optional<String> key = schema.getPrimaryKey().map(primary -> singleColumn(primary.getColumns()));
        List<TableColumn> columns = new ArrayList<>();
        if (isModel(path)) {
            for (Column column : declared) {
                columns.add(modelColumn(column));
            }
            return new TableLayout(Kind.MODEL, path.toString(), columns);
        }
        TableSchema recorded = readSchema(path).orElseGet(() -> asSchema(declared, key.orElse(null)));
        if (!recorded.key().equals(key)) {
            throw new ValidationException(
                    "table in " + path + (recorded.key().isPresent() ? " has the key " + recorded.key().get() : " "
                            + "has no key")
                            + ", which the declared PRIMARY KEY must agree with");
        }
        for (Column column : declared) {
            columns.add(recordedColumn(column, recorded, path));
        }
        return new TableLayout(key.isPresent() ? Kind.KEYED : Kind.STREAM, path.toString(), columns);
    }

    private static boolean isModel(Path path) {
        Path version = path.toAbsolutePath().normalize().getParent();
        return Files.exists(path.resolve(Manifest.FILE))
                || (version != null && Files.exists(version.resolve(ModelSchema.FILE)));
    }

    private static String singleColumn(List<String> key) {
        if (key.size() != 1) {
            throw new ValidationException("a flinkms table has a key of one column, not of " + key.size());
        }
        return key.get(0);
    }

    private static Optional<TableSchema> readSchema(Path path) {
        try {
            return TableSchema.read(path);
        } catch (IOException e) {
            throw new ValidationException("cannot read the schema of the table in " + path, e);
        }
    }

    private static TableSchema asSchema(List<Column> declared, String key) {
        List<String> names = declared.stream().map(Column::getName).collect(Collectors.toList());
        List<LogicalType> types =
                declared.stream().map(column -> column.getDataType().getLogicalType()).collect(Collectors.toList());
        return new TableSchema(names, types, key, 1);
    }

    private static TableColumn modelColumn(Column column) {
        String name = column.getName();
        LogicalType type = column.getDataType().getLogicalType();
        switch (name) {
            case "key":
                boolean isKey = type.is(LogicalTypeRoot.BIGINT) || type.is(LogicalTypeRoot.VARCHAR);
                require(isKey, column, "BIGINT or STRING");
                return new TableColumn(name, type, Role.KEY, Frame.UPSERT_KEY);
            case "sequence":
                require(type.is(LogicalTypeRoot.BIGINT), column, "BIGINT");
                return new TableColumn(name, type, Role.SEQUENCE, Frame.UPSERT_SEQUENCE);
            case "event_time":
                require(type.is(LogicalTypeRoot.TIMESTAMP_WITH_LOCAL_TIME_ZONE), column, "TIMESTAMP_LTZ(6)");
                return new TableColumn(name, type, Role.EVENT_TIME, Frame.UPSERT_EVENT_TIME);
            case "vector":
                boolean isArray = type.is(LogicalTypeRoot.ARRAY);
                require(isArray && type.getChildren().get(0).is(LogicalTypeRoot.FLOAT), column, "ARRAY<FLOAT>");
                return new TableColumn(name, type, Role.PAYLOAD, Frame.UPSERT_PAYLOAD);
            default:
                throw new ValidationException(
                        "a table of a model has the columns key, sequence, event_time and vector, not " + name);
        }
    }

    private static void require(boolean holds, Column column, String expected) {
        if (!holds) {
            throw new ValidationException(
                    "column " + column.getName() + " of a table of a model is " + expected + ", not "
                            + column.getDataType().getLogicalType().asSummaryString());
        }
    }

    private static TableColumn recordedColumn(Column column, TableSchema recorded, Path path) {
        int index = recorded.names().indexOf(column.getName());
        if (index < 0) {
            throw new ValidationException(
                    "table in " + path + " has no column " + column.getName() + "; its columns are "
                            + String.join(", ", recorded.names()));
        }
        LogicalType type = column.getDataType().getLogicalType();
        requireSameStorage(column.getName(), type, recorded.types().get(index));
        if (recorded.keyIndex() < 0) {
            return new TableColumn(column.getName(), type, Role.PAYLOAD, index);
        }
        if (index == recorded.keyIndex()) {
            return new TableColumn(column.getName(), type, Role.KEY, Frame.UPSERT_KEY);
        }
        int payloadIndex = index < recorded.keyIndex() ? index : index - 1;
        return new TableColumn(column.getName(), type, Role.PAYLOAD, Frame.UPSERT_PAYLOAD + payloadIndex);
    }

    /** Timestamps of any precision are stored alike, so it is the stored types that must agree. */
    private static void requireSameStorage(String name, LogicalType declared, LogicalType recorded) {
        try {
            if (ColumnType.of(declared).equals(ColumnType.of(recorded))) {
                return;
            }
        } catch (IllegalArgumentException e) {
            throw new ValidationException("column " + name + ": " + e.getMessage(), e);
        }
        throw new ValidationException(
                "column " + name + " is " + recorded.asSummaryString() + ", not " + declared.asSummaryString());
    }

    public Kind kind() {
        return kind;
    }

    public Path path() {
        return Path.of(path);
    }

    /** Directory of the partitions. */
    public Path log() {
        return path().resolve("log");
    }

    /** The declared columns. */
    public List<TableColumn> columns() {
        return columns;
    }

    /** The same table with fewer columns, or in another order. */
    public TableLayout project(int[] indexes) {
        List<TableColumn> projected = new ArrayList<>();
        for (int index : indexes) {
            projected.add(columns.get(index));
        }
        return new TableLayout(kind, path, projected);
    }

    /** Index of the key among {@link #columns}; -1 for a stream or when a projection has left it out. */
    public int keyIndex() {
        for (int i = 0; i < columns.size(); i++) {
            if (columns.get(i).role() == Role.KEY) {
                return i;
            }
        }
        return -1;
    }
}
