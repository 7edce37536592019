import java.nio.file.Path;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;

/** A Session that makes events, too: {"events": folder, "count": number, "seed": number} gives {}, and the files of Events. */
public final class EventSession extends Session {
    public static void main(String[] arguments) throws Exception {
        listen(Integer.parseInt(arguments[0]), EventSession::new);
    }

    @Override
    ObjectNode execute(JsonNode request) throws Exception {
        if (!request.has("events")) {
            return super.execute(request);
        }
        Path folder = Path.of(request.get("events").textValue());
        Events.write(folder, request.get("count").intValue(), request.get("seed").longValue());
        return new ObjectMapper().createObjectNode();
    }
}
