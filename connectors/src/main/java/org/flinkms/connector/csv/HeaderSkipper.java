package org.flinkms.connector.csv;

import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.file.src.reader.SimpleStreamFormat;
import org.apache.flink.connector.file.src.reader.StreamFormat;
import org.apache.flink.core.fs.FSDataInputStream;

import java.io.IOException;

/** Reads past the first line of a file, and hands on what follows. A line ends at a newline outside of double quotes. */
final class HeaderSkipper<T> extends SimpleStreamFormat<T> {
    private static final long serialVersionUID = 1L;

    private final SimpleStreamFormat<T> wrapped;

    HeaderSkipper(SimpleStreamFormat<T> wrapped) {
        this.wrapped = wrapped;
    }

    @Override
    public StreamFormat.Reader<T> createReader(Configuration config, FSDataInputStream stream) throws IOException {
        boolean quoted = false;
        for (int read = stream.read(); read >= 0 && (quoted || read != '\n'); read = stream.read()) {
            quoted ^= read == '"';
        }
        return wrapped.createReader(config, stream);
    }

    @Override
    public TypeInformation<T> getProducedType() {
        return wrapped.getProducedType();
    }
}
