package org.flinkms.connector.sink;

import java.io.Closeable;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Threads that wait for the disk side by side, while the task waits for all of them: what a checkpoint makes durable lies
 * in a file for each partition, and a file system's journal commits several at once in the time of one.
 */
final class DiskThreads implements Closeable {
    /** Files that are waited for at once. */
    static final int THREADS_MAX = 8;

    /** One step; it may block. */
    @FunctionalInterface
    interface Step<T> {
        void take(T item) throws IOException;
    }

    private final String name;
    private ExecutorService threads;

    DiskThreads(String name) {
        this.name = name;
    }

    /** Takes the step for every item, in no order, and returns when all are taken; throws what the first one threw. */
    <T> void forEach(Collection<T> items, Step<T> step) throws IOException {
        if (items.size() < 2) {
            for (T item : items) {
                step.take(item);
            }
            return;
        }
        List<Future<?>> taken = new ArrayList<>();
        for (T item : items) {
            taken.add(threads().submit(() -> {
                step.take(item);
                return null;
            }));
        }
        IOException failure = null;
        for (Future<?> future : taken) {
            try {
                future.get();
            } catch (ExecutionException e) {
                failure = failure == null ? asIoException(e.getCause()) : failure;
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IOException("interrupted while waiting for the disk", e);
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    private static IOException asIoException(Throwable cause) {
        return cause instanceof IOException ? (IOException) cause : new IOException(cause);
    }

    private ExecutorService threads() {
        if (threads == null) {
            threads = Executors.newFixedThreadPool(THREADS_MAX, task -> {
                Thread thread = new Thread(task, name);
                thread.setDaemon(true);
                return thread;
            });
        }
        return threads;
    }

    @Override
    public void close() {
        if (threads != null) {
            threads.shutdownNow();
        }
    }
}
