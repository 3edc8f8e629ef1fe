package org.flinkms.connector.functions;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.functions.ScalarFunction;

/**
 * {@code flinkms_vector(BYTES) -> ARRAY<FLOAT>}: packed little-endian float32 values as an array.
 *
 * <p>Python functions return vectors as BYTES, because one value of 200 bytes crosses to the JVM far cheaper than an
 * array of 50 elements; this makes them readable in SQL again. NULL gives NULL.
 */
public final class VectorFunction extends ScalarFunction {
    private static final long serialVersionUID = 1L;

    @DataTypeHint(value = "ARRAY<FLOAT>", bridgedTo = ArrayData.class)
    public ArrayData eval(byte[] packed) {
        if (packed == null) {
            return null;
        }
        if (packed.length % Float.BYTES != 0) {
            throw new IllegalArgumentException(
                    "a packed vector has a multiple of 4 bytes, not " + packed.length);
        }
        float[] vector = new float[packed.length / Float.BYTES];
        ByteBuffer.wrap(packed).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(vector);
        return new GenericArrayData(vector);
    }
}
