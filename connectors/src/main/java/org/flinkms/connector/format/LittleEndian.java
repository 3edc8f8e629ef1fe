package org.flinkms.connector.format;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** Little-endian numbers in byte arrays: a view handle compiles to one machine instruction per access. */
public final class LittleEndian {
    private static final VarHandle SHORT = handle(short[].class);
    private static final VarHandle INT = handle(int[].class);
    private static final VarHandle LONG = handle(long[].class);

    private LittleEndian() {}

    private static VarHandle handle(Class<?> arrayClass) {
        return MethodHandles.byteArrayViewVarHandle(arrayClass, ByteOrder.LITTLE_ENDIAN);
    }

    public static void putShort(byte[] data, int at, short value) {
        SHORT.set(data, at, value);
    }

    public static void putInt(byte[] data, int at, int value) {
        INT.set(data, at, value);
    }

    public static void putLong(byte[] data, int at, long value) {
        LONG.set(data, at, value);
    }

    public static int getInt(byte[] data, int at) {
        return (int) INT.get(data, at);
    }

    public static long getLong(byte[] data, int at) {
        return (long) LONG.get(data, at);
    }
}
