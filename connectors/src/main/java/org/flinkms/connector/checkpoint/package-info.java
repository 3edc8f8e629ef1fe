/**
 * What a Flink checkpoint or savepoint says of our tables, for a job that is to go on from there without restoring it.
 *
 * <p>Must not know what the positions mean to a model, nor write anything.
 */
package org.flinkms.connector.checkpoint;
