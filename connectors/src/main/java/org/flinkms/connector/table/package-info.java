/**
 * What lies in the directory of a table and how its frames and base become rows.
 *
 * <p>Knows the format and Flink's row types; must not know who reads: the scan, the lookup and the sink build on it.
 */
package org.flinkms.connector.table;
