package org.flinkms.connector.functions;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.IntStream;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.functions.SpecializedFunction;
import org.apache.flink.table.functions.TableFunction;
import org.apache.flink.table.functions.UserDefinedFunction;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.inference.CallContext;
import org.apache.flink.table.types.inference.InputTypeStrategies;
import org.apache.flink.table.types.inference.TypeInference;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.apache.flink.table.types.utils.DataTypeUtils;
import org.flinkms.connector.format.BlockReader;
import org.flinkms.connector.format.ColumnType;
import org.flinkms.connector.format.FormatException;
import org.flinkms.connector.format.RowReader;

/**
 * Turns a block back into rows: {@code LATERAL TABLE(flinkms_unpack(block, 'a BIGINT, b DOUBLE'))}.
 *
 * <p>The second argument, a constant, declares the columns, with or without {@code ROW<…>} around them; it is what
 * gives the call its SQL type. A vector column may be declared ARRAY or, packed as it is, BYTES. A NULL block gives no
 * rows; bytes that are no block, or a block of other columns, fail the job.
 */
public final class UnpackFunction extends TableFunction<RowData> implements SpecializedFunction {
    private static final long serialVersionUID = 1L;

    private final List<LogicalType> types;

    private transient RowReader reader;

    /** As registered; the planner makes one that knows the columns. */
    public UnpackFunction() {
        this(Collections.emptyList());
    }

    private UnpackFunction(List<LogicalType> types) {
        this.types = types;
    }

    @Override
    public UserDefinedFunction specialize(SpecializedContext context) {
        DataType row = context.getCallContext().getOutputDataType().orElseThrow();
        return new UnpackFunction(new ArrayList<>(row.getLogicalType().getChildren()));
    }

    public void eval(byte[] bytes, StringData columns) throws FormatException {
        if (bytes == null) {
            return;
        }
        BlockReader block = new BlockReader(bytes);
        if (reader == null) {
            reader = newReader(block);
        }
        reader.check(block);
        for (int row = 0; row < block.rows(); row++) {
            collect(reader.read(block, row));
        }
    }

    private RowReader newReader(BlockReader block) throws FormatException {
        if (block.columns() != types.size()) {
            throw new FormatException("block has " + block.columns() + " columns, " + types.size() + " are declared");
        }
        List<ColumnType> stored = new ArrayList<>();
        for (int column = 0; column < types.size(); column++) {
            stored.add(storedType(types.get(column), block.type(column)));
        }
        return new RowReader(types, stored, IntStream.range(0, types.size()).toArray());
    }

    /** The type to expect of a block's column: a vector is as good as a list of the same element, or as its bytes. */
    private static ColumnType storedType(LogicalType declared, ColumnType found) {
        ColumnType expected = ColumnType.of(declared);
        boolean isVector = !found.isVariable();
        boolean sameElement = declared.is(LogicalTypeRoot.ARRAY) && expected.element() == found.element();
        boolean packed = declared.is(LogicalTypeRoot.VARBINARY) && (found.isList() || found.width() > 1);
        return (isVector && sameElement) || packed ? found : expected;
    }

    @Override
    public TypeInference getTypeInference(DataTypeFactory typeFactory) {
        return TypeInference.newBuilder()
                .inputTypeStrategy(
                        InputTypeStrategies.sequence(
                                InputTypeStrategies.explicit(DataTypes.BYTES()),
                                InputTypeStrategies.and(
                                        InputTypeStrategies.LITERAL,
                                        InputTypeStrategies.explicit(
                                                DataTypes.STRING().notNull().bridgedTo(StringData.class)))))
                .outputTypeStrategy(UnpackFunction::rowType)
                .build();
    }

    private static Optional<DataType> rowType(CallContext call) {
        String columns = call.getArgumentValue(1, String.class).orElse("").trim();
        boolean isRow = columns.toUpperCase(Locale.ROOT).matches("(?s)ROW\\s*[<(].*");
        try {
            DataType row = call.getDataTypeFactory().createDataType(isRow ? columns : "ROW<" + columns + ">");
            row.getLogicalType().getChildren().forEach(ColumnType::of);
            return Optional.of(DataTypeUtils.toInternalDataType(row.notNull()));
        } catch (ValidationException | IllegalArgumentException e) {
            return call.fail(true, "'%s' does not declare the columns of a block: %s", columns, e.getMessage());
        }
    }
}
