import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Statement;
import java.sql.Timestamp;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What programs do through pgjdbc, and what they are answered: one line an answer, "name TAB mode TAB section TAB text".
 *
 * <p>Run by tests/integration/test_jdbc.py, with pairs of a name and a JDBC URL: a frontend, where {@code jdbc_events} is a
 * stream and {@code jdbc_rec} a model, and PostgreSQL, where they are a table and a function. Must not know which is which.
 */
public final class Conversation {
    /** How the driver sends: one message a statement, or series of them; the first is its default. */
    private static final String[] MODES = {"extended", "simple", "extendedForPrepared", "extendedCacheEverything"};

    static final String INSERT = "INSERT INTO jdbc_events (id, rating, note, rated_at) VALUES (?, ?, ?, ?)";
    static final String PREDICT = "SELECT predict('jdbc_rec', ?, ?)";

    private static final Map<String, Section> SECTIONS = new LinkedHashMap<>();

    static {
        SECTIONS.put("counts", Statements::counts);
        SECTIONS.put("assigned", Statements::assigned);
        SECTIONS.put("errors", Statements::errors);
        SECTIONS.put("prepared", Statements::prepared);
        SECTIONS.put("cursors", Transactions::cursors);
        SECTIONS.put("batches", Transactions::batches);
        SECTIONS.put("rewritten", Transactions::batches);
        SECTIONS.put("cancelled", Transactions::cancelled);
        SECTIONS.put("taken", Statements::taken);
        SECTIONS.put("savepoints", Transactions::savepoints);
        SECTIONS.put("autosave", Transactions::autosave);
        SECTIONS.put("access", Transactions::access);
        SECTIONS.put("copied", Transactions::copied);
    }

    interface Section {
        void play(Connection connection, Shown shown, int first) throws Exception;
    }

    /** Writes lines; ids of rows begin at a number of the section's own. */
    static final class Shown {
        private final List<String> lines;
        private final String before;

        Shown(List<String> lines, String before) {
            this.lines = lines;
            this.before = before;
        }

        Shown of(String part) {
            return new Shown(lines, before + "\t" + part);
        }

        void line(Object... parts) {
            List<String> texts = new ArrayList<>();
            for (Object part : parts) {
                texts.add(String.valueOf(part));
            }
            lines.add(before + "\t" + String.join(" ", texts).replace('\n', ' '));
        }

        /** An outcome of something that may fail: the error's SQLSTATE, and that of every one behind it. */
        void outcome(String what, Work work) throws Exception {
            try {
                line(what, work.run());
            } catch (BatchUpdateException error) {
                line(what, "failed", error.getSQLState(), Arrays.toString(error.getUpdateCounts()));
            } catch (SQLException error) {
                line(what, "failed", error.getSQLState());
            }
        }

        void rows(String what, ResultSet rows) throws SQLException {
            ResultSetMetaData facts = rows.getMetaData();
            StringBuilder text = new StringBuilder();
            for (int at = 1; at <= facts.getColumnCount(); at++) {
                text.append(facts.getColumnLabel(at)).append(':').append(facts.getColumnTypeName(at)).append(' ');
            }
            while (rows.next()) {
                for (int at = 1; at <= facts.getColumnCount(); at++) {
                    text.append(at == 1 ? "(" : ", ").append(rows.getObject(at));
                }
                text.append(")");
            }
            line(what, text);
        }
    }

    interface Work {
        Object run() throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("deploy")) {
            deploy(arguments[1], Arrays.copyOfRange(arguments, 2, arguments.length));
            return;
        }
        // Both at once: most of a conversation is waiting.
        List<Thread> talks = new ArrayList<>();
        List<List<String>> told = new ArrayList<>();
        for (int pair = 0; pair < arguments.length; pair += 2) {
            List<String> lines = new ArrayList<>();
            String name = arguments[pair];
            String url = arguments[pair + 1];
            told.add(lines);
            talks.add(new Thread(() -> talk(url, new Shown(lines, name))));
        }
        for (Thread talk : talks) {
            talk.start();
        }
        for (Thread talk : talks) {
            talk.join();
        }
        for (List<String> lines : told) {
            System.out.println(String.join("\n", lines));
        }
    }

    private static void talk(String url, Shown shown) {
        int first = 0;
        for (String mode : MODES) {
            for (Map.Entry<String, Section> section : SECTIONS.entrySet()) {
                first += 1000;
                String options = "&preferQueryMode=" + mode + "&binaryTransfer=true"
                    + (section.getKey().equals("rewritten") ? "&reWriteBatchedInserts=true" : "")
                    + (section.getKey().equals("autosave") ? "&autosave=always" : "");
                Shown here = shown.of(mode).of(section.getKey());
                try (Connection connection = DriverManager.getConnection(url + options)) {
                    section.getValue().play(connection, here, first);
                    connection.setAutoCommit(true);
                    here.line("alive", one(connection, "SELECT 1"));
                } catch (Exception error) {
                    here.line("ended by", error);
                }
            }
        }
    }

    /** Run statements, one after another: "execute", "update" or "prepared" in front says how; what each is answered. */
    private static void deploy(String url, String[] statements) throws Exception {
        try (Connection connection = DriverManager.getConnection(url)) {
            for (String each : statements) {
                String text = each.substring(each.indexOf(' ') + 1);
                try (Statement used = each.startsWith("prepared") ? connection.prepareStatement(text) : connection.createStatement()) {
                    Object first = each.startsWith("update") ? used.executeUpdate(text)
                        : each.startsWith("prepared") ? ((PreparedStatement) used).execute() : used.execute(text);
                    System.out.println(first + " " + used.getUpdateCount() + " " + used.getMoreResults() + " " + used.getUpdateCount()
                        + " " + warnings(used));
                }
            }
        }
    }

    private static List<String> warnings(Statement statement) throws SQLException {
        List<String> found = new ArrayList<>();
        for (SQLWarning warning = statement.getWarnings(); warning != null; warning = warning.getNextWarning()) {
            found.add(warning.getMessage());
        }
        return found;
    }

    static Object one(Connection connection, String query) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(query)) {
            return rows.next() ? rows.getObject(1) : "no row";
        }
    }

    static int insert(Connection connection, int id) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(INSERT)) {
            fill(statement, id);
            return statement.executeUpdate();
        }
    }

    static void fill(PreparedStatement statement, int id) throws SQLException {
        statement.setLong(1, id);
        statement.setDouble(2, id / 4.0);
        statement.setString(3, id % 3 == 0 ? null : "note " + id);
        statement.setTimestamp(4, Timestamp.from(OffsetDateTime.parse("2026-01-02T03:04:05.678+02:00").plusSeconds(id).toInstant()));
    }

}
