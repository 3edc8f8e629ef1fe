package org.flinkms.connector.source;

import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.DescribedEnum;
import org.apache.flink.configuration.description.InlineElement;
import org.apache.flink.configuration.description.TextElement;

import java.time.Duration;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.Set;

/** The {@code scan.*} options of a flinkms table. {@link ScanConfig} checks their ranges. */
public final class ScanOptions {
    public static final ConfigOption<StartupMode> STARTUP_MODE =
            ConfigOptions.key("scan.startup.mode")
                    .enumType(StartupMode.class)
                    .defaultValue(StartupMode.EARLIEST)
                    .withDescription(
                            "Where a scan starts that is not restored from a checkpoint. Partitions that appear "
                                    + "later are "
                                    + "always read from their beginning.");

    public static final ConfigOption<String> STARTUP_POSITIONS =
            ConfigOptions.key("scan.startup.positions")
                    .stringType()
                    .noDefaultValue()
                    .withDescription(
                            "For 'positions': JSON object of partition name to [epoch, offset], or [epoch, offset, "
                                    + "rows] "
                                    + "to skip the first rows of the frame there. Partitions left out start at the "
                                    + "beginning.");

    public static final ConfigOption<StartupMode> STARTUP_FALLBACK =
            ConfigOptions.key("scan.startup.fallback")
                    .enumType(StartupMode.class)
                    .defaultValue(StartupMode.EARLIEST)
                    .withDescription(
                            "For 'group-offsets': 'earliest-offset' or 'latest-offset', used while the group has no "
                                    + "positions.");

    public static final ConfigOption<String> GROUP =
            ConfigOptions.key("scan.group")
                    .stringType()
                    .noDefaultValue()
                    .withDescription(
                            "Name (letters, digits, '_', '-', '.') under which the positions of every completed "
                                    + "checkpoint or "
                                    + "savepoint are written to <path>/groups/<name>.json, for 'group-offsets' of "
                                    + "another job.");

    public static final ConfigOption<Boolean> BOUNDED =
            ConfigOptions.key("scan.bounded")
                    .booleanType()
                    .noDefaultValue()
                    .withDescription(
                            "Whether to end at the last row that was there when the job started. Default: true in "
                                    + "batch mode, "
                                    + "false in streaming mode.");

    public static final ConfigOption<String> BOUNDED_POSITIONS =
            ConfigOptions.key("scan.bounded.positions")
                    .stringType()
                    .noDefaultValue()
                    .withDescription(
                            "For a bounded scan: JSON object of partition name to the [epoch, offset] where it ends, "
                                    + "whatever was appended since. Partitions left out are not read.");

    public static final ConfigOption<Duration> POLL_INTERVAL =
            ConfigOptions.key("scan.poll-interval")
                    .durationType()
                    .defaultValue(Duration.ofMillis(2))
                    .withDescription(
                            "How long a reader that found nothing waits before it looks again, 1 ms to 1 min: the "
                                    + "largest part "
                                    + "of a row's latency, at the cost of one file status per partition and interval.");

    public static final ConfigOption<Duration> DISCOVERY_INTERVAL =
            ConfigOptions.key("scan.discovery-interval")
                    .durationType()
                    .defaultValue(Duration.ofMillis(200))
                    .withDescription(
                            "How often the directory is searched for partitions of new writers, 10 ms to 1 h.");

    /** Where a scan starts. */
    public enum StartupMode implements DescribedEnum {
        EARLIEST("earliest-offset", "At the first row of every partition."),
        LATEST("latest-offset", "After the last row there is when the job starts."),
        POSITIONS("positions", "At 'scan.startup.positions'."),
        GROUP("group-offsets", "Where 'scan.group' last committed, else as 'scan.startup.fallback' says.");

        private final String value;
        private final String description;

        StartupMode(String value, String description) {
            this.value = value;
            this.description = description;
        }

        /** The text of the option's value. */
        @Override
        public String toString() {
            return value;
        }

        @Override
        public InlineElement getDescription() {
            return TextElement.text(description);
        }
    }

    private ScanOptions() {}

    /** All of them; none is required. */
    public static Set<ConfigOption<?>> options() {
        return Collections.unmodifiableSet(
                new LinkedHashSet<>(
                        Arrays.asList(
                                STARTUP_MODE,
                                STARTUP_POSITIONS,
                                STARTUP_FALLBACK,
                                GROUP,
                                BOUNDED,
                                BOUNDED_POSITIONS,
                                POLL_INTERVAL,
                                DISCOVERY_INTERVAL)));
    }
}
