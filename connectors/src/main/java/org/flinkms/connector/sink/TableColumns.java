package org.flinkms.connector.sink;

import org.flinkms.connector.format.ColumnType;
import org.flinkms.connector.format.FormatException;
import org.flinkms.connector.format.TableSchema;

import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.types.logical.LogicalType;

import java.io.IOException;
import java.io.Serializable;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Columns of the table that is written to, as the job declares them; checked against what the directory records. */
final class TableColumns implements Serializable {
    private static final long serialVersionUID = 1L;

    private final ArrayList<String> names;
    private final ArrayList<LogicalType> types;
    private final String key;
    private final int partitions;

    /** {@code key} is the name of the primary key's column, or null for a stream. */
    TableColumns(List<String> names, List<LogicalType> types, String key, int partitions) {
        this.names = new ArrayList<>(names);
        this.types = new ArrayList<>(types);
        this.key = key;
        this.partitions = partitions;
        for (int i = 0; i < names.size(); i++) {
            requireStorable(names.get(i), types.get(i));
        }
    }

    private static void requireStorable(String name, LogicalType type) {
        try {
            ColumnType.of(type);
        } catch (IllegalArgumentException e) {
            throw new ValidationException("column '" + name + "': " + e.getMessage(), e);
        }
    }

    /**
     * The same columns with as many partitions as the table at {@code path} has, if it exists.
     *
     * @throws ValidationException when that table has other columns or another key
     */
    TableColumns of(Path path) {
        try {
            Optional<TableSchema> present = TableSchema.read(path);
            if (!present.isPresent()) {
                return this;
            }
            TableColumns columns = new TableColumns(names, types, key, present.get().partitions());
            columns.requireSame(present.get(), path);
            return columns;
        } catch (IOException e) {
            throw new ValidationException("table at " + path + " cannot be written to: " + e.getMessage(), e);
        }
    }

    /** Throws ValidationException when a column but the key cannot be added to. */
    void requireNumericPayload() {
        for (int i = 0; i < names.size(); i++) {
            if (i != keyIndex()) {
                NumericRows.requireNumeric(names.get(i), types.get(i));
            }
        }
    }

    int partitions() {
        return partitions;
    }

    int keyIndex() {
        return names.indexOf(key);
    }

    LogicalType keyType() {
        return types.get(keyIndex());
    }

    /** The schema of the directory, which is created when there is none. Throws when it has other columns. */
    TableSchema ensure(Path path) throws IOException {
        TableSchema declared = new TableSchema(names, types, key, partitions);
        requireSame(declared.createIfAbsent(path), path);
        return declared;
    }

    private void requireSame(TableSchema present, Path path) throws FormatException {
        if (!present.names().equals(names)) {
            throw new FormatException("table at " + path + " has the columns " + present.names() + ", not " + names);
        }
        for (int i = 0; i < names.size(); i++) {
            ColumnType recorded = ColumnType.of(present.types().get(i));
            if (!recorded.equals(ColumnType.of(types.get(i)))) {
                throw new FormatException("column '" + names.get(i) + "' of the table at " + path + " is " + recorded
                        + ", not " + types.get(i).asSummaryString());
            }
        }
        if (!present.key().equals(Optional.ofNullable(key)) || present.partitions() != partitions) {
            throw new FormatException("table at " + path + " has key " + present.key().orElse("(none)") + " and "
                    + present.partitions() + " partitions, not key " + (key == null ? "(none)" : key) + " and "
                    + partitions + " partitions");
        }
    }
}
