/** Functions for SQL that move blocks instead of rows, and read LibSVM lines. Must not know about tables or files. */
package org.flinkms.connector.functions;
