/**
 * The lookup: keyed tables and tables of models in memory, kept fresh by a thread that follows their logs.
 *
 * <p>{@code KeyLookupFunction} asks a {@code LiveTable}, which {@code SharedTables} shares within a class loader and
 * which refreshes a {@code TableState}. Must not know about scans or sinks.
 */
package org.flinkms.connector.lookup;
