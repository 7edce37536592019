import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

/**
 * A session of Flink SQL. On a loopback port it reads lines of JSON, {"sql": statement}, and answers each with a line:
 * {"rows": [[kind, value…]…]} or {"error": text}. A query of a stream never ends in this connector, even with an end stream
 * cut: it is cancelled when no row has come for a while.
 */
public final class Session {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Object END = new Object();
    private static final int FIRST_ROW_SECONDS = 60;
    private static final int NEXT_ROW_SECONDS = 5;
    private static final int INSERT_SECONDS = 120;

    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(arguments[0]);
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
        environment.setParallelism(1);
        StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
        try (ServerSocket listener = new ServerSocket(port, 8, InetAddress.getLoopbackAddress())) {
            System.out.println("ready");
            while (true) {
                try (Socket socket = listener.accept()) {
                    serve(socket, tables);
                }
            }
        }
    }

    private static void serve(Socket socket, StreamTableEnvironment tables) throws Exception {
        BufferedReader in =
                new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
        BufferedWriter out =
                new BufferedWriter(new OutputStreamWriter(socket.getOutputStream(), StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            out.write(JSON.writeValueAsString(answer(JSON.readTree(line).get("sql").textValue(), tables)));
            out.write('\n');
            out.flush();
        }
    }

    private static ObjectNode answer(String statement, StreamTableEnvironment tables) {
        ObjectNode answer = JSON.createObjectNode();
        try {
            TableResult result = tables.executeSql(statement);
            if (statement.strip().toUpperCase().startsWith("INSERT")) {
                result.await(INSERT_SECONDS, TimeUnit.SECONDS);
                answer.putArray("rows");
            } else {
                ArrayNode rows = answer.putArray("rows");
                for (Row row : rows(result)) {
                    ArrayNode values = rows.addArray().add(row.getKind().shortString());
                    for (int index = 0; index < row.getArity(); index++) {
                        Object value = row.getField(index);
                        values.add(value == null ? "" : value.toString());
                    }
                }
            }
        } catch (Throwable wrong) {
            StringBuilder text = new StringBuilder();
            for (Throwable cause = wrong; cause != null; cause = cause.getCause()) {
                text.append(text.length() > 0 ? ": " : "").append(cause);
            }
            answer.removeAll();
            answer.put("error", text.toString());
        }
        return answer;
    }

    private static List<Row> rows(TableResult result) throws Exception {
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
        List<Row> rows = new ArrayList<>();
        Object next = queue.poll(FIRST_ROW_SECONDS, TimeUnit.SECONDS);
        while (next instanceof Row) {
            rows.add((Row) next);
            next = queue.poll(NEXT_ROW_SECONDS, TimeUnit.SECONDS);
        }
        if (next == null) {
            iterator.close();
        } else if (next != END) {
            throw new IllegalStateException((Throwable) next);
        } else if (result.getJobClient().isPresent()) {
            // the rows of a failed job end without an exception
            result.getJobClient().get().getJobExecutionResult().get(INSERT_SECONDS, TimeUnit.SECONDS);
        }
        return rows;
    }
}
