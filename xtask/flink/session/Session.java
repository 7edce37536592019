import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.lang.reflect.Array;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.temporal.ChronoField;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.types.Row;
import org.apache.flink.types.RowKind;
import org.apache.flink.util.CloseableIterator;

/**
 * Sessions of Flink SQL, one in each mode. On a loopback port it reads lines of JSON and answers each with a line, {"error":
 * text} if it fails:
 *
 * <ul>
 *   <li>{"mode": "batch" or "streaming", "sql": statement} with {"columns": [[name, type]…], "rows": [[text or null…]…]}. A
 *       change log gives the rows that it leaves. Batch mode refuses change logs. With "idle": seconds, for streams that do
 *       not end, the statement is cancelled when no further row has come for so long.
 * </ul>
 */
public class Session {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Object END = new Object();
    private static final int FIRST_ROW_SECONDS = 60;
    private static final int STATEMENT_SECONDS = 600;
    private static final Pattern SETTING = Pattern.compile("\\s*SET\\s+'([^']+)'\\s*=\\s*'([^']*)'\\s*");
    private static final DateTimeFormatter TIMESTAMP = new DateTimeFormatterBuilder()
            .appendPattern("yyyy-MM-dd HH:mm:ss")
            .appendFraction(ChronoField.NANO_OF_SECOND, 0, 9, true)
            .toFormatter();

    private final Map<String, TableEnvironment> environments = new HashMap<>();

    public static void main(String[] arguments) throws Exception {
        listen(Integer.parseInt(arguments[0]), Session::new);
    }

    static void listen(int port, Supplier<Session> sessions) throws Exception {
        try (ServerSocket listener = new ServerSocket(port, 8, InetAddress.getLoopbackAddress())) {
            System.out.println("ready");
            while (true) {
                Socket socket = listener.accept();
                new Thread(() -> serve(socket, sessions.get())).start();
            }
        }
    }

    private static void serve(Socket socket, Session session) {
        try (socket;
                BufferedReader in = new BufferedReader(
                        new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
                BufferedWriter out = new BufferedWriter(
                        new OutputStreamWriter(socket.getOutputStream(), StandardCharsets.UTF_8))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                out.write(JSON.writeValueAsString(session.answer(JSON.readTree(line))));
                out.write('\n');
                out.flush();
            }
        } catch (Exception gone) {
            System.err.println(gone);
        }
    }

    private ObjectNode answer(JsonNode request) {
        try {
            return execute(request);
        } catch (Throwable wrong) {
            StringBuilder text = new StringBuilder();
            for (Throwable cause = wrong; cause != null; cause = cause.getCause()) {
                text.append(text.length() > 0 ? ": " : "").append(cause);
            }
            return JSON.createObjectNode().put("error", text.toString());
        }
    }

    /** Executes a request; what it throws becomes the text of an error. */
    ObjectNode execute(JsonNode request) throws Exception {
        int idle = request.path("idle").asInt(STATEMENT_SECONDS);
        return execute(environment(request.get("mode").textValue()), request.get("sql").textValue(), idle);
    }

    private TableEnvironment environment(String mode) {
        return environments.computeIfAbsent(mode, it -> {
            Configuration configuration = new Configuration();
            configuration.setString("parallelism.default", "1");
            configuration.setString("table.local-time-zone", "UTC");
            configuration.setString("execution.runtime-mode", it);
            return TableEnvironment.create(
                    EnvironmentSettings.newInstance().withConfiguration(configuration).build());
        });
    }

    private static ObjectNode execute(TableEnvironment environment, String statement, int idle) throws Exception {
        ObjectNode answer = JSON.createObjectNode();
        ArrayNode columns = answer.putArray("columns");
        ArrayNode rows = answer.putArray("rows");
        // executeSql does not take it
        Matcher setting = SETTING.matcher(statement);
        if (setting.matches()) {
            environment.getConfig().set(setting.group(1), setting.group(2));
            return answer;
        }
        TableResult result = environment.executeSql(statement);
        if (statement.strip().toUpperCase().startsWith("INSERT")) {
            result.await(STATEMENT_SECONDS, TimeUnit.SECONDS);
            return answer;
        }
        for (Column column : result.getResolvedSchema().getColumns()) {
            columns.addArray().add(column.getName()).add(column.getDataType().getLogicalType().asSerializableString());
        }
        for (Map.Entry<List<String>, Integer> entry : rows(result, idle).entrySet()) {
            for (int count = 0; count < entry.getValue(); count++) {
                entry.getKey().forEach(rows.addArray()::add);
            }
        }
        return answer;
    }

    /** The rows that the changes leave, each with its count. */
    private static Map<List<String>, Integer> rows(TableResult result, int idle) throws Exception {
        LinkedBlockingQueue<Object> queue = new LinkedBlockingQueue<>();
        CloseableIterator<Row> iterator = result.collect();
        Thread reader = new Thread(() -> {
            Object end = END;
            try {
                while (iterator.hasNext()) {
                    queue.add(iterator.next());
                }
            } catch (Throwable wrong) {
                end = wrong;
            }
            queue.add(end);
        });
        reader.setDaemon(true);
        reader.start();
        Map<List<String>, Integer> rows = new LinkedHashMap<>();
        Object next = queue.poll(Math.max(FIRST_ROW_SECONDS, idle), TimeUnit.SECONDS);
        while (next instanceof Row) {
            Row row = (Row) next;
            List<String> texts = new ArrayList<>();
            for (int index = 0; index < row.getArity(); index++) {
                texts.add(text(row.getField(index)));
            }
            boolean isAdded = row.getKind() == RowKind.INSERT || row.getKind() == RowKind.UPDATE_AFTER;
            rows.merge(texts, isAdded ? 1 : -1, (before, change) -> before + change == 0 ? null : before + change);
            next = queue.poll(idle, TimeUnit.SECONDS);
        }
        if (next == null) {
            iterator.close();
            if (idle == STATEMENT_SECONDS) {
                throw new IllegalStateException("no end within " + idle + " seconds");
            }
        } else if (next != END) {
            throw new IllegalStateException((Throwable) next);
        } else if (result.getJobClient().isPresent()) {
            // the rows of a failed job end without an exception
            result.getJobClient().get().getJobExecutionResult().get(STATEMENT_SECONDS, TimeUnit.SECONDS);
        }
        return rows;
    }

    /** Bytes as hexadecimal digits, [a, b] of arrays, {k=v} of maps by their keys, (a, b) of rows. */
    private static String text(Object value) {
        if (value == null) {
            return null;
        } else if (value instanceof byte[]) {
            return HexFormat.of().formatHex((byte[]) value);
        } else if (value instanceof LocalDateTime) {
            return TIMESTAMP.format((LocalDateTime) value);
        } else if (value instanceof Instant) {
            return TIMESTAMP.format(((Instant) value).atOffset(ZoneOffset.UTC)) + "Z";
        } else if (value instanceof Row) {
            List<String> parts = new ArrayList<>();
            for (int index = 0; index < ((Row) value).getArity(); index++) {
                parts.add(text(((Row) value).getField(index)));
            }
            return "(" + String.join(", ", parts) + ")";
        } else if (value instanceof Map) {
            TreeMap<String, String> entries = new TreeMap<>();
            ((Map<?, ?>) value).forEach((key, it) -> entries.put(String.valueOf(text(key)), text(it)));
            return entries.toString();
        } else if (value.getClass().isArray()) {
            List<String> parts = new ArrayList<>();
            for (int index = 0; index < Array.getLength(value); index++) {
                parts.add(text(Array.get(value, index)));
            }
            return parts.toString();
        }
        return value.toString();
    }
}
