package org.flinkms.connector.source;

import org.flinkms.connector.format.FormatException;
import org.flinkms.connector.format.Json;
import org.flinkms.connector.format.Position;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;

import java.io.Serializable;
import java.util.Map;
import java.util.TreeMap;

/**
 * A place between two rows of a partition: a position and a number of rows of the frame there.
 *
 * <p>As JSON, in 'scan.startup.positions' and in group files, it is {@code [epoch, offset]} or
 * {@code [epoch, offset, rows]}.
 */
public final class LogPlace implements Serializable {
    private static final long serialVersionUID = 1L;

    /** The beginning of a partition. */
    public static final LogPlace START = new LogPlace(Position.START, 0);

    private final Position position;
    private final long rows;

    public LogPlace(Position position, long rows) {
        this.position = position;
        this.rows = rows;
    }

    public Position position() {
        return position;
    }

    /** Rows of the frame at {@link #position} that lie before this place. */
    public long rows() {
        return rows;
    }

    /** The one of two places of a partition that fewer rows lie before. */
    static LogPlace earlier(LogPlace one, LogPlace other) {
        int order = one.position.compareTo(other.position);
        return order < 0 || (order == 0 && one.rows <= other.rows) ? one : other;
    }

    /** Parses a JSON object of partition name to place. Throws IllegalArgumentException. */
    public static Map<String, LogPlace> parseAll(String text) {
        try {
            return parseAll(Json.parse(text, "the text"));
        } catch (FormatException e) {
            throw new IllegalArgumentException(e.getMessage(), e);
        }
    }

    static Map<String, LogPlace> parseAll(JsonNode positions) {
        if (!positions.isObject()) {
            throw new IllegalArgumentException("positions must be a JSON object of partition name to [epoch, offset]");
        }
        Map<String, LogPlace> places = new TreeMap<>();
        for (Map.Entry<String, JsonNode> entry : positions.properties()) {
            places.put(entry.getKey(), parse(entry.getKey(), entry.getValue()));
        }
        return places;
    }

    private static LogPlace parse(String partition, JsonNode value) {
        boolean wellFormed = value.isArray() && (value.size() == 2 || value.size() == 3);
        for (JsonNode number : value) {
            wellFormed &= number.isIntegralNumber() && number.canConvertToLong() && number.longValue() >= 0;
        }
        if (!wellFormed || !value.get(0).canConvertToInt()) {
            throw new IllegalArgumentException(
                    "position of partition \"" + partition + "\" must be [epoch, offset] or [epoch, offset, rows], not "
                            + value);
        }
        Position position = new Position(value.get(0).intValue(), value.get(1).longValue());
        return new LogPlace(position, value.size() == 3 ? value.get(2).longValue() : 0);
    }

    static ObjectNode toJson(Map<String, LogPlace> places) {
        ObjectNode node = Json.object();
        places.forEach((partition, place) -> node.set(partition, Json.position(place.position).add(place.rows)));
        return node;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof LogPlace
                && position.equals(((LogPlace) other).position)
                && rows == ((LogPlace) other).rows;
    }

    @Override
    public int hashCode() {
        return 31 * position.hashCode() + Long.hashCode(rows);
    }

    @Override
    public String toString() {
        return position + " + " + rows + " rows";
    }
}
