import io.debezium.embedded.Connect;
import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.DebeziumEngine.RecordCommitter;
import io.debezium.engine.Header;
import io.debezium.engine.format.Json;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.Reader;
import java.io.Writer;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.kafka.connect.source.SourceRecord;

/**
 * Debezium's engine with the settings of a properties file.
 *
 * <ul>
 *   <li>{@code events}: each event becomes a line of standard output, until standard input ends.
 *   <li>{@code measure COUNT}: events are counted and dropped; after COUNT of them the time, CPU time and memory are printed.
 *   <li>{@code position}: the engine runs until it has stored where streaming begins.
 * </ul>
 */
public final class Engine {
    private static final CountDownLatch FINISHED = new CountDownLatch(1);
    private static volatile Throwable failure;

    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        try (Reader reader = Files.newBufferedReader(Path.of(arguments[0]), StandardCharsets.UTF_8)) {
            settings.load(reader);
        }
        DebeziumEngine<?> engine = switch (arguments[1]) {
            case "events" -> events(settings);
            case "measure" -> measure(settings, Long.parseLong(arguments[2]));
            case "position" -> position(settings);
            default -> throw new IllegalArgumentException(arguments[1]);
        };
        ExecutorService executor = Executors.newSingleThreadExecutor();
        executor.execute(engine);
        FINISHED.await();
        try {
            engine.close();
        } catch (Exception error) {
            // an engine that never started cannot be closed
            System.err.println(error);
        }
        if (failure != null) {
            failure.printStackTrace();
        }
        System.exit(failure == null ? 0 : 1);
    }

    private static DebeziumEngine<?> events(Properties settings) {
        Writer out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));
        Thread input = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                    // only its end has a meaning
                }
            } catch (IOException error) {
                failure = error;
            }
            FINISHED.countDown();
        });
        input.setDaemon(true);
        input.start();
        return json(settings, (events, committer) -> {
            for (ChangeEvent<String, String> event : events) {
                try {
                    out.write(line(event));
                } catch (IOException error) {
                    throw new IllegalStateException(error);
                }
                committer.markProcessed(event);
            }
            try {
                out.flush();
            } catch (IOException error) {
                throw new IllegalStateException(error);
            }
            committer.markBatchFinished();
        });
    }

    private static DebeziumEngine<?> measure(Properties settings, long count) {
        long started = ManagementFactory.getRuntimeMXBean().getStartTime();
        long[] state = new long[2];
        return json(settings, (events, committer) -> {
            if (state[1] == 0) {
                state[1] = System.currentTimeMillis();
            }
            for (ChangeEvent<String, String> event : events) {
                committer.markProcessed(event);
            }
            committer.markBatchFinished();
            long before = state[0];
            state[0] += events.size();
            if (before < count && state[0] >= count) {
                print(state[0], System.currentTimeMillis(), started, state[1]);
                FINISHED.countDown();
            }
        });
    }

    private static void print(long events, long now, long started, long first) {
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        System.out.printf(
                Locale.ROOT,
                "{\"events\":%d,\"seconds\":%.3f,\"seconds_after_first_event\":%.3f,\"cpu_seconds\":%.2f,"
                        + "\"peak_memory_bytes\":%d}%n",
                events, (now - started) / 1e3, (now - first) / 1e3, system.getProcessCpuTime() / 1e9, peakMemory());
    }

    /** Returns the peak of the resident memory, which Linux knows. */
    private static long peakMemory() {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                if (line.startsWith("VmHWM:")) {
                    return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
                }
            }
        } catch (IOException error) {
            System.err.println(error);
        }
        return 0;
    }

    private static DebeziumEngine<?> position(Properties settings) {
        return DebeziumEngine.create(Connect.class)
                .using(settings)
                .using((isSuccess, message, error) -> finish(isSuccess, message, error))
                .notifying((events, committer) -> {
                    boolean isStreaming = false;
                    for (ChangeEvent<SourceRecord, SourceRecord> event : events) {
                        // a position of the snapshot would make the next run repeat it
                        SourceRecord record = event.value();
                        isStreaming |= record.topic().startsWith("__debezium-heartbeat")
                                && !record.sourceOffset().containsKey("snapshot");
                        committer.markProcessed(event);
                    }
                    committer.markBatchFinished();
                    if (isStreaming) {
                        FINISHED.countDown();
                    }
                })
                .build();
    }

    private interface Consumer {
        void accept(List<ChangeEvent<String, String>> events, RecordCommitter<ChangeEvent<String, String>> committer)
                throws InterruptedException;
    }

    private static DebeziumEngine<?> json(Properties settings, Consumer consumer) {
        // without the third format there are no headers
        return DebeziumEngine.create(Json.class, Json.class, Json.class)
                .using(settings)
                .using((isSuccess, message, error) -> finish(isSuccess, message, error))
                .notifying(consumer::accept)
                .build();
    }

    private static void finish(boolean isSuccess, String message, Throwable error) {
        if (!isSuccess) {
            failure = error == null ? new IllegalStateException(message) : error;
        }
        FINISHED.countDown();
    }

    private static String line(ChangeEvent<String, String> event) {
        StringBuilder line = new StringBuilder("{\"topic\":").append(quoted(event.destination()));
        line.append(",\"key\":").append(event.key()).append(",\"value\":").append(event.value());
        line.append(",\"tombstone\":").append(event.value() == null);
        line.append(",\"headers\":{");
        String comma = "";
        for (Header<?> header : event.headers()) {
            Object value = header.getValue();
            String text = value instanceof byte[] bytes ? new String(bytes, StandardCharsets.UTF_8) : String.valueOf(value);
            line.append(comma).append(quoted(header.getKey())).append(':').append(text);
            comma = ",";
        }
        return line.append("}}\n").toString();
    }

    private static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }
}
