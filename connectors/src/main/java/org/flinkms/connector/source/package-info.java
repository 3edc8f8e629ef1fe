/**
 * The scan: a FLIP-27 source whose splits are the partitions of a table.
 *
 * <p>In reading order: {@code PartitionEnumerator} finds partitions and decides where each is read from and to;
 * {@code PartitionSourceReader} polls a {@code SplitCursor} for each split it is given; the cursors turn a
 * {@code CommittedLog} and a base into rows. Must not know about lookups or sinks.
 */
package org.flinkms.connector.source;
