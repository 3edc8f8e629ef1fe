package org.flinkms.connector.table;

import java.io.Serializable;
import java.util.Objects;
import org.apache.flink.table.types.logical.LogicalType;

/** A declared column, and where its values are found. */
public final class TableColumn implements Serializable {
    /** What a column holds; only {@link #PAYLOAD} columns are the user's own. */
    public enum Role {
        KEY,
        SEQUENCE,
        EVENT_TIME,
        PAYLOAD
    }

    private static final long serialVersionUID = 1L;

    private final String name;
    private final LogicalType type;
    private final Role role;
    private final int blockColumn;

    TableColumn(String name, LogicalType type, Role role, int blockColumn) {
        this.name = name;
        this.type = type;
        this.role = role;
        this.blockColumn = blockColumn;
    }

    public String name() {
        return name;
    }

    public LogicalType type() {
        return type;
    }

    public Role role() {
        return role;
    }

    /** Index of the column in the block of a frame. */
    public int blockColumn() {
        return blockColumn;
    }

    @Override
    public boolean equals(Object other) {
        if (!(other instanceof TableColumn)) {
            return false;
        }
        TableColumn that = (TableColumn) other;
        return name.equals(that.name) && type.equals(that.type) && role == that.role && blockColumn == that.blockColumn;
    }

    @Override
    public int hashCode() {
        return Objects.hash(name, type, role, blockColumn);
    }

    @Override
    public String toString() {
        return name + " " + type.asSummaryString();
    }
}
