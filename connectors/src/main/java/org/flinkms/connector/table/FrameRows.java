package org.flinkms.connector.table;

import java.util.ArrayList;
import java.util.List;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.types.logical.BigIntType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.types.RowKind;
import org.flinkms.connector.format.BlockReader;
import org.flinkms.connector.format.ColumnType;
import org.flinkms.connector.format.ElementType;
import org.flinkms.connector.format.FormatException;
import org.flinkms.connector.format.Frame;
import org.flinkms.connector.format.RowReader;
import org.flinkms.connector.table.TableColumn.Role;

/** Turns the rows of a frame into Flink's rows. One instance serves frame after frame; not thread-safe. */
public final class FrameRows {
    private final TableLayout layout;
    private final int[] blockColumns;
    private final int eventTimeField;
    private RowReader reader;
    private BlockReader block;

    /** Rows will have the columns of {@code layout}. */
    public FrameRows(TableLayout layout) {
        this.layout = layout;
        this.blockColumns = layout.columns().stream().mapToInt(TableColumn::blockColumn).toArray();
        int eventTime = -1;
        for (int i = 0; i < layout.columns().size(); i++) {
            eventTime = layout.columns().get(i).role() == Role.EVENT_TIME ? i : eventTime;
        }
        this.eventTimeField = eventTime;
    }

    /** Goes on with the rows of {@code frame}. Throws {@link FormatException} when it is not of this table. */
    public void open(Frame frame) throws FormatException {
        byte expected = layout.kind() == TableLayout.Kind.STREAM ? Frame.APPEND : Frame.UPSERT;
        if (frame.kind() != expected) {
            throw new FormatException("a frame of kind " + frame.kind() + " is in a table of kind " + layout.kind());
        }
        block = frame.block();
        if (reader == null) {
            reader = newReader();
        }
        reader.check(block);
    }

    private RowReader newReader() throws FormatException {
        List<LogicalType> types = new ArrayList<>();
        List<ColumnType> stored = new ArrayList<>();
        for (TableColumn column : layout.columns()) {
            boolean isVector = layout.kind() == TableLayout.Kind.MODEL && column.role() == Role.PAYLOAD;
            types.add(column.role() == Role.EVENT_TIME ? new BigIntType() : column.type());
            stored.add(
                    column.role() == Role.EVENT_TIME
                            ? ColumnType.of(ElementType.BIGINT)
                            : isVector ? vectorType() : ColumnType.of(column.type()));
        }
        return new RowReader(types, stored, blockColumns);
    }

    /** The width of a model's rows is the same in every frame; the first one tells it. */
    private ColumnType vectorType() throws FormatException {
        boolean present = block.columns() > Frame.UPSERT_PAYLOAD;
        if (!present || block.type(Frame.UPSERT_PAYLOAD).element() != ElementType.FLOAT) {
            throw new FormatException("a frame of a model's table has no vector of FLOAT");
        }
        return block.type(Frame.UPSERT_PAYLOAD);
    }

    /** A new row; its kind says whether it inserts, upserts or deletes. Of a deleted row only the key counts. */
    public GenericRowData read(int row) {
        GenericRowData target = reader.read(block, row);
        if (layout.kind() != TableLayout.Kind.STREAM) {
            target.setRowKind(isDelete(row) ? RowKind.DELETE : RowKind.UPDATE_AFTER);
            if (eventTimeField >= 0) {
                target.setField(eventTimeField, eventTime((Long) target.getField(eventTimeField)));
            }
        }
        return target;
    }

    public boolean isDelete(int row) {
        return block.getByte(Frame.UPSERT_OP, row) == Frame.OP_DELETE;
    }

    /** The key of an upsert frame's row: a Long or a StringData. */
    public Object key(int row) {
        return block.type(Frame.UPSERT_KEY).element() == ElementType.BIGINT
                ? (Object) block.getLong(Frame.UPSERT_KEY, row)
                : StringData.fromBytes(block.getBytes(Frame.UPSERT_KEY, row));
    }

    /** A stored event time; 0 and NULL mean that it is not known. */
    static TimestampData eventTime(Long micros) {
        if (micros == null || micros == 0) {
            return null;
        }
        return TimestampData.fromEpochMillis(
                Math.floorDiv(micros, 1000L), (int) Math.floorMod(micros, 1000L) * 1000);
    }
}
