package org.flinkms.connector.functions;

import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.functions.FunctionContext;
import org.apache.flink.table.functions.FunctionDefinition;
import org.apache.flink.table.functions.SpecializedFunction;
import org.apache.flink.table.functions.TableFunction;
import org.apache.flink.table.functions.UserDefinedFunction;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.inference.ArgumentCount;
import org.apache.flink.table.types.inference.CallContext;
import org.apache.flink.table.types.inference.ConstantArgumentCount;
import org.apache.flink.table.types.inference.InputTypeStrategy;
import org.apache.flink.table.types.inference.Signature;
import org.apache.flink.table.types.inference.TypeInference;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.utils.DataTypeUtils;
import org.flinkms.connector.format.BlockBuilder;
import org.flinkms.connector.format.RowWriter;

/**
 * Packs rows into blocks: {@code SELECT block FROM t, LATERAL TABLE(flinkms_pack(a, b, …)) AS p(block)}.
 *
 * <p>A row costs microseconds on its way to a Python worker, a block of 65,536 rows little more than its bytes. So
 * training ships blocks. Any number of columns of the types of docs/modellog.md can be packed; NULLs stay NULLs.
 *
 * <p>Rows are held until a block is full, and the rest comes out at the end of the input, as far as this subtask's
 * share of the input is concerned. So it is for <em>bounded</em> input, and for batch mode: held rows are in no
 * checkpoint. Select only {@code block}: other columns would be those of the row that happened to fill it.
 */
public final class PackFunction extends TableFunction<byte[]> implements SpecializedFunction {
    /** Rows of a full block: enough to make the cost of a call vanish, few enough to start early. */
    static final int ROWS_MAX = 65_536;

    /** Bytes of a full block: what one call may hold in memory on both sides of the Python boundary. */
    static final int BYTES_MAX = 4 << 20;

    private static final long serialVersionUID = 1L;

    private final List<LogicalType> types;

    private transient RowWriter writer;
    private transient BlockBuilder block;

    /** As registered; the planner makes one that knows the types of its arguments. */
    public PackFunction() {
        this(Collections.emptyList());
    }

    private PackFunction(List<LogicalType> types) {
        this.types = types;
    }

    @Override
    public UserDefinedFunction specialize(SpecializedContext context) {
        return new PackFunction(
                context.getCallContext().getArgumentDataTypes().stream()
                        .map(DataType::getLogicalType)
                        .collect(Collectors.toList()));
    }

    @Override
    public void open(FunctionContext context) {
        block = new BlockBuilder(RowWriter.columnTypes(types));
        writer = new RowWriter(types, IntStream.range(0, types.size()).toArray(), 0);
    }

    public void eval(Object... row) {
        writer.write(GenericRowData.of(row), block);
        if (block.rows() >= ROWS_MAX || block.bytes() >= BYTES_MAX) {
            collect(block.build());
        }
    }

    @Override
    public void finish() {
        if (block != null && block.rows() > 0) {
            collect(block.build());
        }
    }

    /** What it emits depends on the rows before; the planner must not evaluate it twice or leave calls out. */
    @Override
    public boolean isDeterministic() {
        return false;
    }

    @Override
    public TypeInference getTypeInference(DataTypeFactory typeFactory) {
        return TypeInference.newBuilder()
                .inputTypeStrategy(new Columns())
                .outputTypeStrategy(call -> Optional.of(DataTypes.BYTES().notNull()))
                .build();
    }

    /** One or more columns that a block can hold, taken as Flink's internal data structures. */
    private static final class Columns implements InputTypeStrategy {
        @Override
        public ArgumentCount getArgumentCount() {
            return ConstantArgumentCount.from(1);
        }

        @Override
        public Optional<List<DataType>> inferInputTypes(CallContext call, boolean throwOnFailure) {
            List<DataType> arguments = call.getArgumentDataTypes();
            try {
                RowWriter.columnTypes(
                        arguments.stream().map(DataType::getLogicalType).collect(Collectors.toList()));
            } catch (IllegalArgumentException e) {
                return call.fail(throwOnFailure, "%s", e.getMessage());
            }
            return Optional.of(
                    arguments.stream().map(DataTypeUtils::toInternalDataType).collect(Collectors.toList()));
        }

        @Override
        public List<Signature> getExpectedSignatures(FunctionDefinition definition) {
            return Collections.singletonList(Signature.of(Signature.Argument.ofGroupVarying("column")));
        }
    }
}
