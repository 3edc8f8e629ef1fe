package org.flinkms.connector.lookup;

import java.io.Serializable;
import java.time.Duration;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.api.ValidationException;

/** The {@code lookup.*} options of a flinkms table, checked. */
public final class LookupConfig implements Serializable {
    public static final ConfigOption<Duration> REFRESH_INTERVAL =
            ConfigOptions.key("lookup.refresh-interval")
                    .durationType()
                    .defaultValue(Duration.ofMillis(2))
                    .withDescription(
                            "How long the thread that follows the log waits when it found nothing, 1 ms to 1 min: "
                                    + "how stale a "
                                    + "looked-up row may be. Lookups of one table in one task manager share the "
                                    + "thread; the "
                                    + "shortest interval asked for counts.");

    private static final long serialVersionUID = 1L;
    private static final Duration INTERVAL_MIN = Duration.ofMillis(1);
    private static final Duration INTERVAL_MAX = Duration.ofMinutes(1);

    private final Duration refreshInterval;

    public LookupConfig(Duration refreshInterval) {
        if (refreshInterval.compareTo(INTERVAL_MIN) < 0 || refreshInterval.compareTo(INTERVAL_MAX) > 0) {
            throw new ValidationException("option 'lookup.refresh-interval' must be between 1 ms and 1 min");
        }
        this.refreshInterval = refreshInterval;
    }

    public static LookupConfig from(ReadableConfig options) {
        return new LookupConfig(options.get(REFRESH_INTERVAL));
    }

    public Duration refreshInterval() {
        return refreshInterval;
    }
}
