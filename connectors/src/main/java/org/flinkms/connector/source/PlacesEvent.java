package org.flinkms.connector.source;

import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.api.connector.source.SourceEvent;

/** Reader to enumerator: how far each of its partitions had been read at a checkpoint. */
final class PlacesEvent implements SourceEvent {
    private static final long serialVersionUID = 1L;

    private final long checkpoint;
    private final TreeMap<String, LogPlace> places;

    PlacesEvent(long checkpoint, Map<String, LogPlace> places) {
        this.checkpoint = checkpoint;
        this.places = new TreeMap<>(places);
    }

    long checkpoint() {
        return checkpoint;
    }

    Map<String, LogPlace> places() {
        return places;
    }
}
