package org.flinkms.connector.sink;

import org.flinkms.connector.format.BlockReader;
import org.flinkms.connector.format.Bundle;
import org.flinkms.connector.format.ColumnType;
import org.flinkms.connector.format.ElementType;
import org.flinkms.connector.format.FormatException;
import org.flinkms.connector.format.ModelSchema;

import java.util.Arrays;
import java.util.List;

/** Shape of a block in a push bundle: key, count of deltas summed in the row, their sum. */
final class PushBlock {
    static final int KEY = 0;
    static final int COUNT = 1;
    static final int DELTA = 2;

    private PushBlock() {}

    static List<ColumnType> columns(ModelSchema.Table table) {
        return Arrays.asList(ColumnType.of(table.keyType()), ColumnType.of(ElementType.INT),
                ColumnType.vector(table.width()));
    }

    /** The table an entry is for. */
    static ModelSchema.Table table(Bundle.Entry entry, ModelSchema model) throws FormatException {
        if (entry.tag() < 0 || entry.tag() >= model.tables().size()) {
            throw new FormatException("a push bundle has an entry with tag " + entry.tag() + " for a model of "
                    + model.tables().size() + " tables");
        }
        return model.tables().get(entry.tag());
    }

    /** The block of an entry, which has the shape that its table asks for. */
    static BlockReader read(Bundle.Entry entry, ModelSchema.Table table) throws FormatException {
        BlockReader block = entry.block();
        List<ColumnType> expected = columns(table);
        boolean fits = block.columns() == expected.size();
        for (int column = 0; fits && column < expected.size(); column++) {
            fits = block.type(column).equals(expected.get(column)) && !block.hasNulls(column);
        }
        if (!fits) {
            throw new FormatException("a push bundle has a block for table \"" + table.name()
                    + "\" whose columns are not " + expected + " without NULLs");
        }
        return block;
    }
}
