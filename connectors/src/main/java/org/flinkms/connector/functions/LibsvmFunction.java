package org.flinkms.connector.functions;

import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.annotation.FunctionHint;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.functions.TableFunction;

import java.util.Arrays;

/**
 * Parses one line of a LibSVM file, {@code label [qid:n] index:value … [# comment]}, into a row.
 *
 * <p>With it a LibSVM file is a filesystem table of format {@code raw} and a {@code LATERAL TABLE}; no format of our
 * own is needed. A blank or comment-only line gives no row. A malformed line gives a row of NULLs: training counts rows
 * with a NULL label as failed, so one bad line neither stops the job nor disappears.
 *
 * <p>Malformed are: a label or value that is no number, an index that is negative or no integer. Indices need not
 * ascend: a model's features have no order.
 */
@FunctionHint(
        output =
                @DataTypeHint(
                        value = "ROW<label DOUBLE, indices ARRAY<INT>, `values` ARRAY<DOUBLE>>",
                        bridgedTo = RowData.class))
public final class LibsvmFunction extends TableFunction<RowData> {
    private static final long serialVersionUID = 1L;

    /** Features a line is first given room for; the arrays double when it has more. */
    private static final int INITIAL_FEATURES = 64;

    private int[] indices = new int[INITIAL_FEATURES];
    private double[] values = new double[INITIAL_FEATURES];

    public void eval(@DataTypeHint(value = "STRING", bridgedTo = StringData.class) StringData line) {
        if (line == null) {
            return;
        }
        String text = line.toString();
        int comment = text.indexOf('#');
        String content = (comment < 0 ? text : text.substring(0, comment)).trim();
        if (!content.isEmpty()) {
            collect(parse(content));
        }
    }

    private RowData parse(String content) {
        String[] tokens = content.split("\\s+");
        try {
            double label = Double.parseDouble(tokens[0]);
            int count = parseFeatures(tokens);
            return GenericRowData.of(
                    label,
                    new GenericArrayData(Arrays.copyOf(indices, count)),
                    new GenericArrayData(Arrays.copyOf(values, count)));
        } catch (NumberFormatException malformed) {
            return new GenericRowData(3);
        }
    }

    /** Fills {@link #indices} and {@link #values}; returns how many features the line has. */
    private int parseFeatures(String[] tokens) {
        int count = 0;
        for (int i = 1; i < tokens.length; i++) {
            String token = tokens[i];
            if (i == 1 && token.startsWith("qid:")) {
                continue;
            }
            int colon = token.indexOf(':');
            if (colon < 0) {
                throw new NumberFormatException("feature without a value");
            }
            int index = Integer.parseInt(token.substring(0, colon));
            if (index < 0) {
                throw new NumberFormatException("negative index");
            }
            if (count == indices.length) {
                indices = Arrays.copyOf(indices, 2 * count);
                values = Arrays.copyOf(values, 2 * count);
            }
            indices[count] = index;
            values[count++] = Double.parseDouble(token.substring(colon + 1));
        }
        return count;
    }
}
