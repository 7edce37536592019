import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import org.apache.avro.Schema;
import org.apache.avro.io.parsing.ResolvingGrammarGenerator;
import org.apache.avro.io.parsing.Symbol;

/**
 * What Avro Java says of pairs of schemas. On a loopback port it reads lines of JSON, {"reader": text, "writer": text}, and
 * answers each with a line: the normal form of each, or why it is no schema, and whether the reader reads what the writer
 * wrote, by the resolving grammar, as its SchemaValidator asks. "threw" is there instead when that question has no answer.
 */
public final class Resolution {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(arguments[0]);
        try (ServerSocket listener = new ServerSocket(port, 8, InetAddress.getLoopbackAddress())) {
            System.out.println("ready");
            while (true) {
                Socket socket = listener.accept();
                // schemas nest, and so do what they are resolved by
                new Thread(null, () -> serve(socket), "pairs", 4L << 20).start();
            }
        }
    }

    private static void serve(Socket socket) {
        try (socket;
                BufferedReader in = new BufferedReader(
                        new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
                BufferedWriter out = new BufferedWriter(
                        new OutputStreamWriter(socket.getOutputStream(), StandardCharsets.UTF_8))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                out.write(JSON.writeValueAsString(answer(JSON.readTree(line))));
                out.write('\n');
                if (!in.ready()) {
                    out.flush();
                }
            }
        } catch (Exception gone) {
            System.err.println(gone);
        }
    }

    private static ObjectNode answer(JsonNode pair) {
        ObjectNode answer = JSON.createObjectNode();
        Schema reader = parse(pair, "reader", answer);
        Schema writer = parse(pair, "writer", answer);
        if (reader != null && writer != null) {
            try {
                answer.put("canRead", !Symbol.hasErrors(new ResolvingGrammarGenerator().generate(writer, reader)));
            } catch (Exception | StackOverflowError threw) {
                StackTraceElement[] where = threw.getStackTrace();
                answer.put("threw", threw + (where.length > 0 ? " at " + where[0] : ""));
            }
        }
        return answer;
    }

    private static Schema parse(JsonNode pair, String side, ObjectNode answer) {
        try {
            Schema schema = new Schema.Parser().parse(pair.get(side).textValue());
            answer.put(side, schema.toString());
            return schema;
        } catch (Exception | StackOverflowError wrong) {
            answer.put(side + "Error", wrong.toString());
            return null;
        }
    }
}
