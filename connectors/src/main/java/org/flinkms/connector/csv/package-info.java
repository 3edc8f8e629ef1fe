/** Flink's format {@code csv} for files that begin with a header. Must not know about models or the log. */
package org.flinkms.connector.csv;
