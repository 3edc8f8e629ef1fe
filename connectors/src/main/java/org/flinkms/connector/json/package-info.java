/** Flink's format {@code json}, but without losing lines. Must not know about models or the log. */
package org.flinkms.connector.json;
