package org.flinkms.connector.sink;

/** What a row does to the row of the same key. */
public enum MergeMode {
    REPLACE("replace"),
    ADD("add");

    private final String text;

    MergeMode(String text) {
        this.text = text;
    }

    @Override
    public String toString() {
        return text;
    }
}
