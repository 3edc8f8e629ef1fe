import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.util.LinkedHashMap;
import java.util.Map;
import org.postgresql.PGStatement;

/** Sections of a conversation: what one statement is answered, whatever way it is sent. */
final class Statements {
    private Statements() {}

    private interface Setter {
        void set(PreparedStatement statement, int at) throws SQLException;
    }

    static void counts(Connection connection, Conversation.Shown shown, int first) throws Exception {
        shown.line("prepared", Conversation.insert(connection, first), Conversation.insert(connection, first + 1));
        try (Statement statement = connection.createStatement()) {
            for (String text : new String[] {
                "INSERT INTO jdbc_events VALUES (" + (first + 2) + ", NULL, 7, 1.5, 0.1, 'x', NULL), (" + (first + 3) + ", NULL, NULL, NULL, NULL, NULL, NULL)",
                "INSERT INTO jdbc_events (id) SELECT g FROM generate_series(" + (first + 4) + ", " + (first + 8) + ") g",
                "CREATE TEMPORARY TABLE jdbc_kept (n int)", "INSERT INTO jdbc_kept VALUES (1), (2), (3)",
                "UPDATE jdbc_kept SET n = 5 WHERE n > 1", "DELETE FROM jdbc_kept WHERE n = 77", "SET application_name = 'counting'",
                "BEGIN", "COMMIT", "DROP TABLE jdbc_kept", "DO $$ BEGIN END $$", ""}) {
                shown.outcome(text.replaceAll("[0-9]{4,}", "…"), () ->
                    statement.executeUpdate(text) + " " + statement.getUpdateCount() + " " + statement.getLargeUpdateCount());
            }
            boolean rows = statement.execute("INSERT INTO jdbc_events (id) VALUES (" + (first + 9) + "); SELECT predict('jdbc_rec', 1, 2); "
                + "SET application_name = 'x'; INSERT INTO jdbc_events (id) VALUES (" + (first + 10) + "), (" + (first + 11) + "); "
                + "SELECT count(*) FROM jdbc_movies");
            do {
                if (rows) {
                    shown.rows("result", statement.getResultSet());
                } else {
                    shown.line("count", statement.getUpdateCount());
                }
                rows = statement.getMoreResults();
            } while (rows || statement.getUpdateCount() != -1);
            shown.outcome("executeQuery of an INSERT", () -> statement.executeQuery("INSERT INTO jdbc_events (id) VALUES (" + (first + 12) + ")"));
            shown.outcome("executeUpdate of a SELECT", () -> statement.executeUpdate("SELECT predict('jdbc_rec', 1, 2)"));
        }
    }

    /** Every kind of value that a program sets, for every column and for a model's argument. */
    static void assigned(Connection connection, Conversation.Shown shown, int first) throws Exception {
        Map<String, Setter> setters = new LinkedHashMap<>();
        setters.put("short", (to, at) -> to.setShort(at, (short) 3));
        setters.put("int", (to, at) -> to.setInt(at, 3));
        setters.put("long", (to, at) -> to.setLong(at, 3));
        setters.put("float", (to, at) -> to.setFloat(at, 2.5f));
        setters.put("double", (to, at) -> to.setDouble(at, 3.5));
        setters.put("large long", (to, at) -> to.setLong(at, 1L << 40));
        setters.put("negative double", (to, at) -> to.setDouble(at, -2.5));
        setters.put("no number", (to, at) -> to.setDouble(at, Double.NaN));
        setters.put("large double", (to, at) -> to.setDouble(at, 1e300));
        setters.put("decimal", (to, at) -> to.setBigDecimal(at, new BigDecimal("4.5")));
        setters.put("large decimal", (to, at) -> to.setBigDecimal(at, new BigDecimal("123456789012345678901234567890")));
        setters.put("string", (to, at) -> to.setString(at, "3"));
        setters.put("boolean", (to, at) -> to.setBoolean(at, true));
        setters.put("bytes", (to, at) -> to.setBytes(at, new byte[] {1, 2}));
        setters.put("date", (to, at) -> to.setDate(at, java.sql.Date.valueOf("2026-02-03")));
        setters.put("timestamp", (to, at) -> to.setTimestamp(at, Timestamp.valueOf("2026-02-03 04:05:06.789")));
        setters.put("local date", (to, at) -> to.setObject(at, LocalDate.parse("2026-02-03")));
        setters.put("local", (to, at) -> to.setObject(at, LocalDateTime.parse("2026-02-03T04:05:06.789")));
        setters.put("offset", (to, at) -> to.setObject(at, OffsetDateTime.parse("2026-02-03T04:05:06.789+05:00")));
        setters.put("null", (to, at) -> to.setObject(at, null));
        setters.put("null long", (to, at) -> to.setNull(at, Types.BIGINT));
        setters.put("null double", (to, at) -> to.setNull(at, Types.DOUBLE));
        setters.put("null text", (to, at) -> to.setNull(at, Types.VARCHAR));
        setters.put("null time", (to, at) -> to.setNull(at, Types.TIMESTAMP));
        setters.put("null decimal", (to, at) -> to.setNull(at, Types.NUMERIC));
        int id = first;
        for (String column : new String[] {"user_id", "small", "rating", "single", "rated_at"}) {
            for (Map.Entry<String, Setter> setter : setters.entrySet()) {
                int row = id++;
                shown.outcome(column + " " + setter.getKey(), () -> {
                    try (PreparedStatement statement = connection.prepareStatement(
                             "INSERT INTO jdbc_events (id, " + column + ") VALUES (?, ?)")) {
                        statement.setInt(1, row);
                        setter.getValue().set(statement, 2);
                        return statement.executeUpdate();
                    }
                });
            }
        }
        setters.remove("large long"); // a key that no model knows
        for (Map.Entry<String, Setter> setter : setters.entrySet()) {
            shown.outcome("argument " + setter.getKey(), () -> {
                try (PreparedStatement statement = connection.prepareStatement(Conversation.PREDICT)) {
                    setter.getValue().set(statement, 1);
                    statement.setInt(2, 2);
                    try (ResultSet rows = statement.executeQuery()) {
                        return rows.next() ? rows.getObject(1) : "no row";
                    }
                }
            });
        }
    }

    static void errors(Connection connection, Conversation.Shown shown, int first) throws Exception {
        String[] bad = {"SELECT predict('nope', 1, 2)", "SELECT 1/0 FROM jdbc_movies", "INSERT INTO jdbc_events (id) VALUES ('x')",
                        "SELECT nothing FROM jdbc_movies", "SELEC", "INSERT INTO jdbc_events (nothing) VALUES (1)"};
        connection.setAutoCommit(false);
        for (int at = 0; at < bad.length; at++) {
            String text = bad[at];
            int id = first + 3 * at;
            shown.line("before", Conversation.insert(connection, id));
            shown.outcome(text, () -> Conversation.one(connection, text));
            for (String after : new String[] {"SELECT 1", "SELECT predict('jdbc_rec', 1, 2)", "SELECT count(*) FROM jdbc_movies"}) {
                shown.outcome("after", () -> Conversation.one(connection, after));
            }
            shown.outcome("after", () -> Conversation.insert(connection, id + 1));
            if (at % 2 == 0) {
                connection.rollback();
            } else {
                shown.outcome("commit", () -> {
                    connection.commit();
                    return "done";
                });
            }
            shown.line("again", Conversation.insert(connection, id + 2), Conversation.one(connection, "SELECT predict('jdbc_rec', 1, 2)"));
            connection.commit();
        }
    }

    static void prepared(Connection connection, Conversation.Shown shown, int first) throws Exception {
        for (int threshold : new int[] {5, 1, -1}) {
            try (PreparedStatement statement = connection.prepareStatement(Conversation.PREDICT)) {
                statement.unwrap(PGStatement.class).setPrepareThreshold(threshold);
                for (int at = 0; at < 8; at++) {
                    statement.setLong(1, at);
                    statement.setLong(2, 2);
                    try (ResultSet rows = statement.executeQuery()) {
                        shown.rows("predict " + statement.unwrap(PGStatement.class).isUseServerPrepare(), rows);
                    }
                }
                statement.setNull(1, Types.BIGINT);
                shown.rows("null", statement.executeQuery());
                statement.setInt(1, 3);
                shown.rows("int", statement.executeQuery());
                statement.setString(1, "3");
                shown.outcome("string", () -> {
                    shown.rows("string", statement.executeQuery());
                    return "";
                });
                statement.setObject(1, "3", Types.OTHER);
                shown.outcome("other", () -> {
                    shown.rows("other", statement.executeQuery());
                    return "";
                });
                statement.setObject(1, "three", Types.OTHER);
                shown.outcome("no number", statement::executeQuery);
                statement.setLong(1, 3);
                shown.rows("and on", statement.executeQuery());
                shown.line("parameters", statement.getParameterMetaData().getParameterTypeName(1),
                           statement.getMetaData().getColumnTypeName(1), statement.getMetaData().getColumnLabel(1));
            }
        }
        try (PreparedStatement statement = connection.prepareStatement(
                 "SELECT m.id, predict('jdbc_rec', ?, m.id) AS s FROM jdbc_movies m WHERE m.id <= ? ORDER BY m.id")) {
            for (int at = 0; at < 8; at++) {
                statement.setLong(1, at);
                statement.setInt(2, 3);
                shown.rows("joined", statement.executeQuery());
            }
        }
        try (PreparedStatement statement = connection.prepareStatement(
                 "SELECT u, predict('jdbc_rec', u, i) AS s FROM unnest(?::bigint[], ?::bigint[]) AS t(u, i)")) {
            for (int at = 0; at < 7; at++) {
                statement.setArray(1, connection.createArrayOf("bigint", new Long[] {1L, 2L, null}));
                statement.setArray(2, connection.createArrayOf("bigint", new Long[] {2L, (long) at, 4L}));
                shown.rows("arrays", statement.executeQuery());
            }
        }
        try (PreparedStatement statement = connection.prepareStatement(Conversation.INSERT)) {
            for (int at = 0; at < 8; at++) {
                Conversation.fill(statement, first + at);
                shown.line("insert", statement.executeUpdate());
            }
        }
    }

    static void taken(Connection connection, Conversation.Shown shown, int first) throws Exception {
        try (Statement statement = connection.createStatement()) {
            for (int at = 1; at < 40; at++) {
                statement.execute("PREPARE \"S_" + at + "\" AS SELECT " + at);
            }
        }
        for (String query : new String[] {"SELECT predict('jdbc_rec', 1, 2)", "SELECT count(*) FROM jdbc_movies",
                                          "INSERT INTO jdbc_events (id) VALUES (" + first + ")"}) {
            try (PreparedStatement statement = connection.prepareStatement(query)) {
                statement.unwrap(PGStatement.class).setPrepareThreshold(1);
                shown.outcome(query.replaceAll("[0-9]{4,}", "…"), () -> statement.execute());
            }
        }
        shown.outcome("EXECUTE", () -> Conversation.one(connection, "EXECUTE \"S_9\""));
        try (Statement statement = connection.createStatement()) {
            statement.execute("DEALLOCATE ALL");
        }
        try (PreparedStatement statement = connection.prepareStatement(Conversation.PREDICT)) {
            statement.unwrap(PGStatement.class).setPrepareThreshold(1);
            for (int at = 0; at < 3; at++) {
                statement.setLong(1, 1);
                statement.setLong(2, 2);
                shown.outcome("free again", () -> statement.executeQuery().next());
            }
            try (Statement other = connection.createStatement()) {
                other.execute("DISCARD ALL");
            }
            shown.outcome("discarded", () -> statement.executeQuery().next());
        }
    }
}
