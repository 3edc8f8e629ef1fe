package org.flinkms.connector.sink;

import java.nio.file.Path;
import java.nio.file.Paths;

/** Runs the tests of this package in a local Flink: {@code java … SinkJobsTest <empty directory>}. */
public final class SinkJobsTest {
    private SinkJobsTest() {}

    public static void main(String[] args) throws Exception {
        Path scratch = Paths.get(args[0]);
        new PushTest(scratch).run();
        new TablesTest(scratch).run();
        new BaseTest(scratch).run();
        System.out.println("ok");
        System.exit(0);
    }
}
