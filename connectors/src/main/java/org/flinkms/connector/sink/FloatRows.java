package org.flinkms.connector.sink;

import org.flinkms.connector.format.BlockBuilder;
import org.flinkms.connector.format.BlockReader;
import org.flinkms.connector.format.ColumnType;
import org.flinkms.connector.table.Base;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Rows of a model's table: float vectors of one width, in chunks, so that growing copies nothing. */
final class FloatRows implements ShardRows {
    /** Floats of a chunk, 1 MiB: large enough to be few, small enough that a small table wastes little. */
    private static final int CHUNK_FLOATS = 1 << 18;

    private final int width;
    private final float[] initial;
    private final int rowsPerChunk;
    private final List<float[]> chunks = new ArrayList<>();
    private int size;

    FloatRows(int width, float[] initial) {
        this.width = width;
        this.initial = initial;
        this.rowsPerChunk = Math.max(1, CHUNK_FLOATS / width);
    }

    private float[] chunk(int row) {
        return chunks.get(row / rowsPerChunk);
    }

    private int at(int row) {
        return row % rowsPerChunk * width;
    }

    @Override
    public List<ColumnType> columns() {
        return Collections.singletonList(ColumnType.vector(width));
    }

    @Override
    public void addInitial() {
        if (size % rowsPerChunk == 0) {
            chunks.add(new float[rowsPerChunk * width]);
        }
        reset(size++);
    }

    @Override
    public void reset(int row) {
        System.arraycopy(initial, 0, chunk(row), at(row), width);
    }

    @Override
    public void load(int row, BlockReader block, int from, int firstColumn) {
        block.getVector(firstColumn, from, chunk(row), at(row));
    }

    @Override
    public void load(int row, Base base, long from) {
        base.copyVector(from, chunk(row), at(row));
    }

    @Override
    public void write(int row, BlockBuilder block, int firstColumn) {
        block.column(firstColumn).putVector(chunk(row), at(row));
    }

    /**
     * Adds a delta to a row and returns true; leaves the row as it is and returns false when the delta or the sum is
     * not finite, because one NaN would stay in the row for ever.
     */
    boolean addDelta(int row, float[] delta) {
        float[] chunk = chunk(row);
        int at = at(row);
        for (int i = 0; i < width; i++) {
            if (!Float.isFinite(delta[i]) || !Float.isFinite(chunk[at + i] + delta[i])) {
                return false;
            }
        }
        for (int i = 0; i < width; i++) {
            chunk[at + i] += delta[i];
        }
        return true;
    }
}
