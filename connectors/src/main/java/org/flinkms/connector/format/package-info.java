/**
 * The bytes of the model log: blocks, bundles, frames, segments and partitions, as docs/modellog.md
 * defines them.
 *
 * <p>This package must not know about Flink's runtime, about SQL or about who calls it; of Flink it
 * uses only the data structures {@code RowData} and {@code LogicalType} and the bundled JSON parser.
 */
package org.flinkms.connector.format;
