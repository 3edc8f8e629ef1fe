package org.flinkms.connector.sink;

import org.flinkms.connector.format.BlockBuilder;
import org.flinkms.connector.format.BlockReader;
import org.flinkms.connector.format.ColumnType;
import org.flinkms.connector.format.ElementType;
import org.flinkms.connector.format.FormatException;
import org.flinkms.connector.format.Frame;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/**
 * The rows of one partition of a keyed table, as its writer knows them: key, sequence, event time and what
 * {@link ShardRows} keeps; and which of them changed since the last flush.
 *
 * <p>A row that changes more than once between two flushes is written once: readers want the last state, and a
 * sequence tells how many changes it stands for.
 */
final class Shard<R extends ShardRows> {
    /** What is done with a row that changed. */
    @FunctionalInterface
    interface ChangedRow {
        void accept(int row, long eventTimeMicros) throws IOException;
    }

    private final boolean textKey;
    private final KeyIndex keys;
    private final R rows;
    private long[] sequences = new long[512];
    private long[] eventTimes = new long[512];
    private int[] changed = new int[512];
    private int changedCount;
    private final BitSet isChanged = new BitSet();

    Shard(boolean textKey, R rows) {
        this.textKey = textKey;
        this.keys = KeyIndex.of(textKey);
        this.rows = rows;
    }

    R rows() {
        return rows;
    }

    int size() {
        return keys.size();
    }

    /** Row number of a key; an unknown key gets an initial row with sequence 0. */
    int row(Key key) throws IOException {
        int known = keys.size();
        int row = keys.findOrAdd(key);
        if (row == known) {
            if (row == sequences.length) {
                sequences = Arrays.copyOf(sequences, row * 2);
                eventTimes = Arrays.copyOf(eventTimes, row * 2);
            }
            rows.addInitial();
        }
        return row;
    }

    void setSequence(int row, long sequence) {
        sequences[row] = sequence;
    }

    /** Adds to a row's sequence and returns the new one. */
    long addSequence(int row, long count) {
        sequences[row] += count;
        return sequences[row];
    }

    /** Remembers that a row is to be written at the next flush; its event time is the latest of its changes. */
    void markChanged(int row, long eventTimeMicros) {
        eventTimes[row] = Math.max(eventTimes[row], eventTimeMicros);
        if (!isChanged.get(row)) {
            isChanged.set(row);
            if (changedCount == changed.length) {
                changed = Arrays.copyOf(changed, changedCount * 2);
            }
            changed[changedCount++] = row;
        }
    }

    /** Forgets that a row changed. */
    void unmarkChanged(int row) {
        isChanged.clear(row);
    }

    /** Hands over every changed row once, in the order of their first change; afterwards none is. */
    void drainChanged(ChangedRow action) throws IOException {
        for (int i = 0; i < changedCount; i++) {
            if (isChanged.get(changed[i])) {
                isChanged.clear(changed[i]);
                action.accept(changed[i], eventTimes[changed[i]]);
            }
        }
        changedCount = 0;
    }

    /** Columns of the upsert frames of this shard. */
    static List<ColumnType> frameColumns(boolean textKey, List<ColumnType> payload) {
        List<ColumnType> columns = new ArrayList<>(Arrays.asList(
                ColumnType.of(ElementType.TINYINT),
                ColumnType.of(textKey ? ElementType.STRING : ElementType.BIGINT),
                ColumnType.of(ElementType.BIGINT),
                ColumnType.of(ElementType.BIGINT)));
        columns.addAll(payload);
        return columns;
    }

    /** Puts a row into a block as an upsert. */
    void writeUpsert(int row, long eventTimeMicros, BlockBuilder block) {
        writeUpsertHeader(row, eventTimeMicros, block);
        rows.write(row, block, Frame.UPSERT_PAYLOAD);
    }

    /** Puts all but the payload of an upsert into a block; the payload is the caller's. */
    void writeUpsertHeader(int row, long eventTimeMicros, BlockBuilder block) {
        writeHeader(row, Frame.OP_UPSERT, eventTimeMicros, block);
    }

    /** Puts all but the payload, which is NULL, of a delete into a block. */
    void writeDeleteHeader(int row, long eventTimeMicros, BlockBuilder block) {
        writeHeader(row, Frame.OP_DELETE, eventTimeMicros, block);
    }

    private void writeHeader(int row, byte op, long eventTimeMicros, BlockBuilder block) {
        block.column(Frame.UPSERT_OP).putByte(op);
        keys.write(row, block.column(Frame.UPSERT_KEY));
        block.column(Frame.UPSERT_SEQUENCE).putLong(sequences[row]);
        block.column(Frame.UPSERT_EVENT_TIME).putLong(eventTimeMicros);
    }

    /** Takes in an upsert frame of this shard's own log. */
    void load(Frame frame) throws IOException {
        BlockReader block = frame.block();
        List<ColumnType> expected = frameColumns(textKey, rows.columns());
        for (int column = 0; column < expected.size(); column++) {
            if (column >= block.columns() || !block.type(column).equals(expected.get(column))) {
                throw new FormatException("an upsert frame has not the columns " + expected + " of its table");
            }
        }
        Key key = new Key(textKey);
        for (int i = 0; i < block.rows(); i++) {
            key.set(block, Frame.UPSERT_KEY, i);
            int row = row(key);
            sequences[row] = block.getLong(Frame.UPSERT_SEQUENCE, i);
            eventTimes[row] = block.getLong(Frame.UPSERT_EVENT_TIME, i);
            if (block.getByte(Frame.UPSERT_OP, i) == Frame.OP_DELETE) {
                rows.reset(row);
            } else {
                rows.load(row, block, i, Frame.UPSERT_PAYLOAD);
            }
        }
    }
}
