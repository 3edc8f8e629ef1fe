package org.flinkms.connector.format;

import java.nio.file.Path;
import java.nio.file.Paths;

/** Runs the tests of this package: {@code java … FormatTest <tests/vectors> <empty directory>}. */
public final class FormatTest {
    private FormatTest() {}

    public static void main(String[] args) throws Exception {
        Path scratch = Paths.get(args[1]);
        new VectorsTest(Paths.get(args[0])).run();
        new SlotHashTest().run();
        new PartitionTest(scratch).run();
        new RowsTest(scratch).run();
        System.out.println("ok");
    }
}
