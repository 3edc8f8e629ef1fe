package org.flinkms.connector.sink;

/** Whether rows are appended to a log as they come or become a model's base at the end. */
public enum SinkMode {
    LOG("log"),
    BASE("base");

    private final String text;

    SinkMode(String text) {
        this.text = text;
    }

    @Override
    public String toString() {
        return text;
    }
}
