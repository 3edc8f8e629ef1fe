package org.flinkms.connector.lookup;

import java.io.IOException;
import java.util.Collection;
import java.util.Collections;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.utils.ProjectedRowData;
import org.apache.flink.table.functions.FunctionContext;
import org.apache.flink.table.functions.LookupFunction;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.flinkms.connector.table.TableColumn;
import org.flinkms.connector.table.TableLayout;

/** Looks up the row of one key in memory: a hash probe, no I/O, so that it is synchronous. */
public final class KeyLookupFunction extends LookupFunction {
    private static final long serialVersionUID = 1L;

    private final TableLayout layout;
    private final LookupConfig config;
    private final int[] projection;
    private final boolean textKey;

    private transient LiveTable table;

    /**
     * @param layout all declared columns: lookups that differ only in their projection share one table
     * @param projection which of them a looked-up row has
     */
    public KeyLookupFunction(TableLayout layout, LookupConfig config, int[] projection) {
        this.layout = layout;
        this.config = config;
        this.projection = projection.clone();
        TableColumn key = layout.columns().get(layout.keyIndex());
        this.textKey = key.type().is(LogicalTypeRoot.VARCHAR);
    }

    @Override
    public void open(FunctionContext context) throws Exception {
        super.open(context);
        table = SharedTables.acquire(layout, config.refreshInterval());
    }

    @Override
    public Collection<RowData> lookup(RowData key) throws IOException {
        if (key.isNullAt(0)) {
            return Collections.emptyList();
        }
        RowData row = table.get(textKey ? (Object) key.getString(0) : key.getLong(0));
        return row == null
                ? Collections.emptyList()
                : Collections.singletonList(ProjectedRowData.from(projection).replaceRow(row));
    }

    @Override
    public void close() throws Exception {
        if (table != null) {
            table = null;
            SharedTables.release(layout);
        }
        super.close();
    }
}
