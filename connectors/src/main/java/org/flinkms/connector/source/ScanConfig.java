package org.flinkms.connector.source;

import org.flinkms.connector.format.Position;
import org.flinkms.connector.source.ScanOptions.StartupMode;

import org.apache.flink.api.common.RuntimeExecutionMode;
import org.apache.flink.configuration.ExecutionOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.api.ValidationException;

import javax.annotation.Nullable;

import java.io.Serializable;
import java.time.Duration;
import java.util.Collections;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Pattern;

/** The {@code scan.*} options of a flinkms table, checked: an instance holds no value out of range. */
public final class ScanConfig implements Serializable {
    private static final long serialVersionUID = 1L;

    private static final Duration POLL_MIN = Duration.ofMillis(1);
    private static final Duration POLL_MAX = Duration.ofMinutes(1);
    private static final Duration DISCOVERY_MIN = Duration.ofMillis(10);
    private static final Duration DISCOVERY_MAX = Duration.ofHours(1);

    /** A group's name becomes a file's: no separators, no dot-names. */
    private static final Pattern GROUP_NAME = Pattern.compile("[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}");

    private final StartupMode startup;
    private final TreeMap<String, LogPlace> startPlaces;
    private final StartupMode fallback;
    @Nullable private final String group;
    private final boolean bounded;
    @Nullable private final TreeMap<String, LogPlace> stopPlaces;
    private final Duration pollInterval;
    private final Duration discoveryInterval;

    private ScanConfig(ReadableConfig options, boolean bounded) {
        this.startup = options.get(ScanOptions.STARTUP_MODE);
        this.startPlaces = new TreeMap<>(startPlaces(options, startup));
        this.fallback = options.get(ScanOptions.STARTUP_FALLBACK);
        this.group = options.get(ScanOptions.GROUP);
        this.bounded = bounded;
        this.stopPlaces = stopPlaces(options, bounded);
        this.pollInterval = options.get(ScanOptions.POLL_INTERVAL);
        this.discoveryInterval = options.get(ScanOptions.DISCOVERY_INTERVAL);
        validate();
    }

    /** Reads the options of a table; {@code session} tells whether the job runs in batch mode. */
    public static ScanConfig from(ReadableConfig options, ReadableConfig session) {
        boolean batch = session.get(ExecutionOptions.RUNTIME_MODE) == RuntimeExecutionMode.BATCH;
        return new ScanConfig(options, options.getOptional(ScanOptions.BOUNDED).orElse(batch));
    }

    private static Map<String, LogPlace> startPlaces(ReadableConfig options, StartupMode startup) {
        Optional<String> text = options.getOptional(ScanOptions.STARTUP_POSITIONS);
        if (text.isPresent() != (startup == StartupMode.POSITIONS)) {
            throw new ValidationException(
                    "option 'scan.startup.positions' and 'scan.startup.mode' = 'positions' go together");
        }
        try {
            return text.map(LogPlace::parseAll).orElse(Collections.emptyMap());
        } catch (IllegalArgumentException e) {
            throw new ValidationException("option 'scan.startup.positions': " + e.getMessage(), e);
        }
    }

    @Nullable
    private static TreeMap<String, LogPlace> stopPlaces(ReadableConfig options, boolean bounded) {
        Optional<String> text = options.getOptional(ScanOptions.BOUNDED_POSITIONS);
        if (text.isEmpty()) {
            return null;
        }
        if (!bounded) {
            throw new ValidationException("option 'scan.bounded.positions' needs 'scan.bounded' = 'true'");
        }
        try {
            return new TreeMap<>(LogPlace.parseAll(text.get()));
        } catch (IllegalArgumentException e) {
            throw new ValidationException("option 'scan.bounded.positions': " + e.getMessage(), e);
        }
    }

    private void validate() {
        requireRange("scan.poll-interval", pollInterval, POLL_MIN, POLL_MAX);
        requireRange("scan.discovery-interval", discoveryInterval, DISCOVERY_MIN, DISCOVERY_MAX);
        if (group != null && !GROUP_NAME.matcher(group).matches()) {
            throw new ValidationException(
                    "option 'scan.group' must match " + GROUP_NAME.pattern() + ", not '" + group + "'");
        }
        if (group == null && startup == StartupMode.GROUP) {
            throw new ValidationException("'scan.startup.mode' = 'group-offsets' needs option 'scan.group'");
        }
        if (fallback != StartupMode.EARLIEST && fallback != StartupMode.LATEST) {
            throw new ValidationException(
                    "option 'scan.startup.fallback' must be 'earliest-offset' or 'latest-offset', not '"
                            + fallback + "'");
        }
    }

    private static void requireRange(String option, Duration value, Duration low, Duration high) {
        if (value.compareTo(low) < 0 || value.compareTo(high) > 0) {
            throw new ValidationException(
                    "option '" + option + "' must be between " + low.toMillis() + " ms and " + high.toMillis() + " ms");
        }
    }

    public StartupMode startup() {
        return startup;
    }

    public boolean startsAtBeginning() {
        return startup == StartupMode.EARLIEST;
    }

    /** For {@link StartupMode#POSITIONS}, else empty. */
    public Map<String, LogPlace> startPlaces() {
        return startPlaces;
    }

    public StartupMode fallback() {
        return fallback;
    }

    public Optional<String> group() {
        return Optional.ofNullable(group);
    }

    public boolean bounded() {
        return bounded;
    }

    /** Whether a partition is read at all. */
    public boolean reads(String partition) {
        return stopPlaces == null || stopPlaces.containsKey(partition);
    }

    /** Where a bounded scan is to end in a partition, null for where it ends now. */
    @Nullable
    public Position stopPosition(String partition) {
        return stopPlaces == null ? null : stopPlaces.get(partition).position();
    }

    public Duration pollInterval() {
        return pollInterval;
    }

    public Duration discoveryInterval() {
        return discoveryInterval;
    }
}
