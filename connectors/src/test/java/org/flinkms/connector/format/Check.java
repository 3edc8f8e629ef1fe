package org.flinkms.connector.format;

import java.util.Arrays;
import java.util.Objects;

/** Assertions of the tests, which use no test library: the connector is built with javac and Flink's jars alone. */
public final class Check {
    /** Code that is expected to fail. */
    @FunctionalInterface
    public interface Failing {
        void run() throws Exception;
    }

    private Check() {}

    public static void that(boolean holds, String message) {
        if (!holds) {
            throw new AssertionError(message);
        }
    }

    public static void equal(Object actual, Object expected, String what) {
        that(Objects.deepEquals(actual, expected),
                what + " is " + Arrays.deepToString(new Object[] {actual}) + ", not "
                        + Arrays.deepToString(new Object[] {expected}));
    }

    /** Checks that {@code code} throws {@code type} with a message that contains {@code part}. */
    public static void fails(Class<? extends Exception> type, String part, Failing code) {
        try {
            code.run();
        } catch (Exception e) {
            that(type.isInstance(e), "expected " + type + ", got " + e);
            that(String.valueOf(e.getMessage()).contains(part),
                    "message \"" + e.getMessage() + "\" does not contain \"" + part + "\"");
            return;
        }
        throw new AssertionError("nothing failed where " + type.getSimpleName() + " is expected");
    }
}
