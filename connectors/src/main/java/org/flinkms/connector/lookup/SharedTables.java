package org.flinkms.connector.lookup;

import java.io.IOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.flinkms.connector.table.TableLayout;

/**
 * One {@link LiveTable} per table for all lookups in this class loader, held as long as anybody uses it.
 *
 * <p>The subtasks of a job in one task manager would else each hold a copy. With the jar in {@code pipeline.jars} a
 * class loader is a job's own; with the jar in Flink's {@code lib} all jobs share it.
 */
final class SharedTables {
    private static final class Use {
        final LiveTable table;
        int users;

        Use(LiveTable table) {
            this.table = table;
        }
    }

    private static final Map<String, Use> TABLES = new HashMap<>();

    private SharedTables() {}

    /** The live table of {@code layout}, loaded if nobody else uses it. To be given back by {@link #release}. */
    static synchronized LiveTable acquire(TableLayout layout, Duration interval) throws IOException {
        String id = id(layout);
        Use use = TABLES.get(id);
        if (use == null) {
            use = new Use(new LiveTable(layout, interval));
            TABLES.put(id, use);
        }
        use.users++;
        use.table.atLeastEvery(interval);
        return use.table;
    }

    /** Gives back a table; the last user closes it. */
    static synchronized void release(TableLayout layout) throws IOException {
        Use use = TABLES.get(id(layout));
        if (use != null && --use.users == 0) {
            TABLES.remove(id(layout));
            use.table.close();
        }
    }

    /** Two declarations of one directory share rows only when these have the same columns. */
    private static String id(TableLayout layout) {
        return layout.path().toAbsolutePath().normalize() + " " + layout.columns();
    }
}
