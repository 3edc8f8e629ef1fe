/**
 * The sink: streams, keyed tables, pushes to a model and the base of a model, written as a log that readers follow.
 *
 * <p>{@link org.flinkms.connector.sink.FlinkmsTableSink} is the door; it chooses one of four Sink V2 classes. All but
 * the base sink append frames to partitions of the log (package {@code format}) and commit positions with
 * checkpoints. This package must not know how a log is read by a job: that is {@code source} and {@code lookup}.
 */
package org.flinkms.connector.sink;
