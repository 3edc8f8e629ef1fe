package org.flinkms.connector.checkpoint;

import org.flinkms.connector.format.Json;
import org.flinkms.connector.source.LogPlace;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/** Where the scans of each table in one job stand: usually one, more when a query reads a table in several ways. */
public final class StreamPlaces {
    private final Map<String, List<Map<String, LogPlace>>> scans = new TreeMap<>();

    /** Adds a scan of the table in directory {@code table}: partition to place. */
    public void add(String table, Map<String, LogPlace> places) {
        scans.computeIfAbsent(table, path -> new ArrayList<>()).add(places);
    }

    /** {table: {partition: [epoch, offset, rows]}}: of several scans the place of the one that is furthest behind. */
    ObjectNode earliest() {
        ObjectNode json = Json.object();
        scans.keySet().forEach(table -> {
            ObjectNode places = json.putObject(table);
            partitions(table).forEach(partition -> places.set(partition,
                    toJson(places(table, partition).stream().min(StreamPlaces::compare).get())));
        });
        return json;
    }

    /** {table: {partition: [place of each scan …]}} of the partitions that not all scans of a table have read as far. */
    ObjectNode apart() {
        ObjectNode json = Json.object();
        scans.keySet().forEach(table -> partitions(table).forEach(partition -> {
            Set<LogPlace> places = places(table, partition);
            if (places.size() > 1) {
                ArrayNode all = json.withObjectProperty(table).putArray(partition);
                places.forEach(place -> all.add(toJson(place)));
            }
        }));
        return json;
    }

    private Set<String> partitions(String table) {
        Set<String> names = new TreeSet<>();
        scans.get(table).forEach(places -> names.addAll(places.keySet()));
        return names;
    }

    /** The different places of a partition; a scan that does not know it yet stands before its first row. */
    private Set<LogPlace> places(String table, String partition) {
        Set<LogPlace> places = new LinkedHashSet<>();
        scans.get(table).forEach(scan -> places.add(scan.getOrDefault(partition, LogPlace.START)));
        return places;
    }

    private static int compare(LogPlace one, LogPlace other) {
        int order = one.position().compareTo(other.position());
        return order == 0 ? Long.compare(one.rows(), other.rows()) : order;
    }

    private static ArrayNode toJson(LogPlace place) {
        return Json.position(place.position()).add(place.rows());
    }
}
