import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.Arrays;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

/** Sections of a conversation: what spans statements. */
final class Transactions {
    private Transactions() {}

    static void cursors(Connection connection, Conversation.Shown shown, int first) throws Exception {
        connection.setAutoCommit(false);
        for (String query : new String[] {
            "SELECT g, predict('jdbc_rec', 1, g) AS s FROM generate_series(1, 11) g", "SELECT id, title FROM jdbc_movies ORDER BY id",
            "SELECT m.id, predict('jdbc_rec', 1, m.id) AS s FROM jdbc_movies m ORDER BY m.id"}) {
            for (int size : new int[] {1, 4, 11, 100}) {
                try (PreparedStatement statement = connection.prepareStatement(query)) {
                    statement.setFetchSize(size);
                    try (ResultSet rows = statement.executeQuery()) {
                        shown.line(rows.next(), rows.getLong(1), rows.getObject(2));
                        Conversation.insert(connection, first + size);
                        shown.line("meanwhile", Conversation.one(connection, "SELECT predict('jdbc_rec', 1, 2)"));
                        shown.rows("rest of " + size, rows);
                    }
                    statement.setMaxRows(2);
                    shown.rows("two", statement.executeQuery());
                }
            }
            connection.rollback();
        }
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(2);
            ResultSet rows = statement.executeQuery("SELECT id FROM jdbc_movies ORDER BY id");
            shown.line(rows.next(), rows.next(), rows.getLong(1));
            connection.commit();
            shown.outcome("over the end", () -> rows.next());
        }
    }

    static void batches(Connection connection, Conversation.Shown shown, int first) throws Exception {
        int id = first;
        for (boolean auto : new boolean[] {true, false}) {
            connection.setAutoCommit(auto);
            for (int size : new int[] {1, 7, 50, 130}) {
                try (PreparedStatement statement = connection.prepareStatement(Conversation.INSERT)) {
                    for (int at = 0; at < size; at++) {
                        Conversation.fill(statement, id++);
                        statement.addBatch();
                    }
                    shown.line("batch", summed(statement.executeBatch()));
                }
                if (!auto) {
                    connection.commit();
                }
            }
            final int from = id;
            shown.outcome("with an error " + auto, () -> {
                try (Statement statement = connection.createStatement()) {
                    statement.addBatch("INSERT INTO jdbc_events (id) VALUES (" + from + "), (" + (from + 1) + ")");
                    statement.addBatch("INSERT INTO jdbc_kinds VALUES (1), (2)");
                    statement.addBatch("INSERT INTO jdbc_events (id) VALUES ('x')");
                    statement.addBatch("INSERT INTO jdbc_events (id) VALUES (" + (from + 2) + ")");
                    return Arrays.toString(statement.executeBatch());
                }
            });
            if (!auto) {
                connection.rollback();
            }
            try (Statement statement = connection.createStatement()) {
                statement.addBatch("INSERT INTO jdbc_events (id) VALUES (" + (from + 3) + "), (" + (from + 4) + ")");
                statement.addBatch("UPDATE jdbc_kinds SET n = 2 WHERE n = 77");
                statement.addBatch("SET application_name = 'x'");
                shown.line("mixed", Arrays.toString(statement.executeBatch()));
            }
            if (!auto) {
                connection.commit();
            }
            id += 10;
        }
    }

    private static String summed(int[] counts) {
        return counts.length + " of " + Arrays.toString(Arrays.stream(counts).distinct().toArray());
    }

    static void cancelled(Connection connection, Conversation.Shown shown, int first) throws Exception {
        try (Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            shown.outcome("timeout", () -> statement.executeQuery("SELECT pg_sleep(60)"));
            statement.setQueryTimeout(0);
            shown.line("predict", Conversation.one(connection, "SELECT predict('jdbc_rec', 1, 2)"));
        }
        connection.setAutoCommit(false);
        Conversation.insert(connection, first);
        try (PreparedStatement statement = connection.prepareStatement("SELECT pg_sleep(?)")) {
            Thread other = new Thread(() -> {
                try {
                    Thread.sleep(200);
                    statement.cancel();
                } catch (InterruptedException | SQLException error) {
                    throw new IllegalStateException(error);
                }
            });
            other.start();
            statement.setDouble(1, 60);
            shown.outcome("cancel", statement::executeQuery);
            other.join();
        }
        shown.outcome("after", () -> Conversation.one(connection, "SELECT predict('jdbc_rec', 1, 2)"));
        connection.rollback();
        Conversation.insert(connection, first + 1);
        connection.commit();
        try (PreparedStatement statement = connection.prepareStatement(Conversation.PREDICT)) {
            statement.setLong(1, 1);
            statement.setLong(2, 2);
            statement.setQueryTimeout(60);
            statement.cancel();
            for (int at = 0; at < 7; at++) {
                shown.rows("unhurt", statement.executeQuery());
            }
        }
    }

    static void savepoints(Connection connection, Conversation.Shown shown, int first) throws Exception {
        connection.setAutoCommit(false);
        Conversation.insert(connection, first);
        Savepoint one = connection.setSavepoint();
        Conversation.insert(connection, first + 1);
        Savepoint two = connection.setSavepoint("Two \"quoted\"");
        Conversation.insert(connection, first + 2);
        shown.outcome("error", () -> Conversation.one(connection, "SELECT predict('nope', 1, 2)"));
        connection.rollback(two);
        shown.line("on", Conversation.insert(connection, first + 3), Conversation.one(connection, "SELECT predict('jdbc_rec', 1, 2)"));
        connection.releaseSavepoint(two);
        shown.outcome("released", () -> {
            connection.rollback(two);
            return "rolled back";
        });
        connection.rollback(one);
        Conversation.insert(connection, first + 4);
        Savepoint three = connection.setSavepoint("three");
        Conversation.insert(connection, first + 5);
        connection.releaseSavepoint(three);
        connection.commit();
        Savepoint four = connection.setSavepoint("four");
        shown.outcome("of the former transaction", () -> {
            connection.rollback(one);
            return "rolled back";
        });
        connection.rollback();
        Conversation.insert(connection, first + 6);
        connection.commit();
    }

    static void autosave(Connection connection, Conversation.Shown shown, int first) throws Exception {
        connection.setAutoCommit(false);
        for (int at = 0; at < 3; at++) {
            Conversation.insert(connection, first + 2 * at);
            shown.outcome("fails alone", () -> Conversation.one(connection, "SELECT predict('nope', 1, 2)"));
            shown.outcome("fails alone", () -> Conversation.one(connection, "SELECT 1/0 FROM jdbc_movies"));
            shown.line("goes on", Conversation.insert(connection, first + 2 * at + 1), Conversation.one(connection, "SELECT predict('jdbc_rec', 1, 2)"));
            if (at == 1) {
                connection.rollback();
            }
        }
        connection.commit();
    }

    static void access(Connection connection, Conversation.Shown shown, int first) throws Exception {
        connection.setReadOnly(true);
        shown.outcome("read only", () -> Conversation.insert(connection, first));
        shown.line("predict", Conversation.one(connection, "SELECT predict('jdbc_rec', 1, 2)"), connection.isReadOnly());
        connection.setAutoCommit(false);
        shown.outcome("read only, in a block", () -> Conversation.insert(connection, first + 1));
        connection.rollback();
        connection.setReadOnly(false);
        shown.line("writable", Conversation.insert(connection, first + 2));
        connection.commit();
        connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
        shown.line("isolation", connection.getTransactionIsolation(), Conversation.insert(connection, first + 3));
        connection.commit();
        shown.line(connection.isValid(5), connection.getSchema(), connection.getMetaData().getDatabaseMajorVersion());
        connection.setClientInfo("ApplicationName", "conversation");
        shown.line(Conversation.one(connection, "SHOW application_name"), connection.getClientInfo("ApplicationName"));
        try (ResultSet rows = connection.getMetaData().getColumns(null, null, "jdbc_movies", "%")) {
            while (rows.next()) {
                shown.line(rows.getString("COLUMN_NAME"), rows.getString("TYPE_NAME"));
            }
        }
        connection.commit();
    }

    static void copied(Connection connection, Conversation.Shown shown, int first) throws Exception {
        CopyManager copies = connection.unwrap(PGConnection.class).getCopyAPI();
        connection.setAutoCommit(false);
        Conversation.insert(connection, first);
        shown.line("in", copies.copyIn("COPY jdbc_kinds FROM STDIN", new java.io.StringReader("5\n6\n7\n")));
        java.io.StringWriter out = new java.io.StringWriter();
        shown.line("out", copies.copyOut("COPY (SELECT n FROM jdbc_kinds ORDER BY n) TO STDOUT", out), out.toString().replace('\n', ' '));
        shown.outcome("a row that is none", () -> copies.copyIn("COPY jdbc_kinds FROM STDIN", new java.io.StringReader("x\n")));
        connection.rollback();
        shown.line("predict", Conversation.one(connection, "SELECT predict('jdbc_rec', 1, 2)"), Conversation.insert(connection, first + 1));
        connection.commit();
    }
}
