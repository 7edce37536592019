import java.io.BufferedOutputStream;
import java.io.BufferedWriter;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.avro.Schema;
import org.apache.avro.file.DataFileWriter;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * Made-up events, the same for the same seed, as files of a folder:
 *
 * <ul>
 *   <li>orders.jsonl: orders as JSON, one event a line
 *   <li>orders.avro: the same as an Avro container file, which Flink reads
 *   <li>orders.datums: the same as Avro datums, each behind its length in four bytes, written with orders.avsc
 *   <li>changes.jsonl: Debezium events of a table with the primary key id, one a line
 *   <li>orders.columns, changes.columns: their columns, as CREATE TABLE has them
 * </ul>
 */
final class Events {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final LocalDateTime BEGIN = LocalDateTime.of(2024, 2, 28, 22, 0);
    private static final DateTimeFormatter TIMESTAMP = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss.SSS");
    private static final String[] CATEGORIES = {"books", "games", "Games", "tools", ""};
    private static final String[] CITIES = {"Kyiv", "São Paulo", "京都", "Malmö", "O'Fallon"};
    private static final String[] NOTES = {
        "say \"hi\"", "a,b;c", "line\nbreak", "tab\there", "\\backslash", "", "   ", "ключ", "😀", "NULL", "null"
    };
    private static final String[] STATES = {"new", "paid", "sent", null};
    private static final String ORDERS = String.join(",\n",
            "id BIGINT NOT NULL", "customer INT NOT NULL", "product STRING NOT NULL", "category STRING",
            "quantity INT", "amount DECIMAL(10, 2)", "price DOUBLE", "paid BOOLEAN", "placed TIMESTAMP(3)",
            "due DATE", "note STRING", "payload BYTES", "tags ARRAY<STRING>", "attributes MAP<STRING, STRING>",
            "address ROW<city STRING, zip INT>\n");
    private static final String CHANGES = String.join(",\n",
            "id BIGINT NOT NULL", "customer INT", "status STRING", "amount DECIMAL(10, 2)", "updated TIMESTAMP(3)\n");
    private static final String[][] AVRO = {
        {"id", "\"long\""}, {"customer", "\"int\""}, {"product", "\"string\""}, {"category", "[\"null\", \"string\"]"},
        {"quantity", "[\"null\", \"int\"]"},
        {"amount", "[\"null\", {\"type\": \"bytes\", \"logicalType\": \"decimal\", \"precision\": 10, \"scale\": 2}]"},
        {"price", "[\"null\", \"double\"]"}, {"paid", "[\"null\", \"boolean\"]"},
        {"placed", "[\"null\", {\"type\": \"long\", \"logicalType\": \"timestamp-millis\"}]"},
        {"due", "[\"null\", {\"type\": \"int\", \"logicalType\": \"date\"}]"},
        {"note", "[\"null\", \"string\"]"}, {"payload", "[\"null\", \"bytes\"]"},
        {"tags", "[\"null\", {\"type\": \"array\", \"items\": [\"null\", \"string\"]}]"},
        {"attributes", "[\"null\", {\"type\": \"map\", \"values\": [\"null\", \"string\"]}]"},
        {"address", "[\"null\", {\"type\": \"record\", \"name\": \"address\", \"fields\": ["
                + "{\"name\": \"city\", \"type\": [\"null\", \"string\"]},"
                + " {\"name\": \"zip\", \"type\": [\"null\", \"int\"]}]}]"},
    };

    private final Random random;

    private Events(long seed) {
        random = new Random(seed);
    }

    static void write(Path folder, int count, long seed) throws Exception {
        Files.createDirectories(folder);
        Files.writeString(folder.resolve("orders.columns"), ORDERS);
        Files.writeString(folder.resolve("changes.columns"), CHANGES);
        List<String> fields = new ArrayList<>();
        for (String[] field : AVRO) {
            fields.add("{\"name\": \"" + field[0] + "\", \"type\": " + field[1] + "}");
        }
        String schema = "{\"type\": \"record\", \"name\": \"order\", \"namespace\": \"kulya.test\", \"fields\": [\n"
                + String.join(",\n", fields) + "]}\n";
        Files.writeString(folder.resolve("orders.avsc"), schema);
        Events events = new Events(seed);
        events.orders(folder, count, new Schema.Parser().parse(schema));
        events.changes(folder, count);
    }

    private void orders(Path folder, int count, Schema schema) throws Exception {
        GenericDatumWriter<GenericRecord> writer = new GenericDatumWriter<>(schema);
        try (BufferedWriter json = Files.newBufferedWriter(folder.resolve("orders.jsonl"));
                DataFileWriter<GenericRecord> avro = new DataFileWriter<>(writer);
                DataOutputStream datums = new DataOutputStream(
                        new BufferedOutputStream(Files.newOutputStream(folder.resolve("orders.datums"))))) {
            avro.create(schema, folder.resolve("orders.avro").toFile());
            for (int number = 0; number < count; number++) {
                Map<String, Object> order = order(number);
                json.write(JSON.writeValueAsString(json(order, number % 2 == 0)));
                json.write('\n');
                GenericRecord record = record(order, schema);
                avro.append(record);
                ByteArrayOutputStream datum = new ByteArrayOutputStream();
                BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(datum, null);
                writer.write(record, encoder);
                encoder.flush();
                datums.writeInt(datum.size());
                datum.writeTo(datums);
            }
        }
    }

    private Map<String, Object> order(int number) {
        Map<String, Object> order = new TreeMap<>();
        order.put("id", (long) number);
        order.put("customer", random.nextInt(5_000));
        order.put("product", "product-" + random.nextInt(500));
        order.put("category", nullable(pick(CATEGORIES)));
        order.put("quantity", nullable(random.nextInt(23) - 3));
        order.put("amount", nullable(BigDecimal.valueOf(random.nextInt(10_100_000) - 100_000, 2)));
        // quarters, whose sums are exact in any order
        order.put("price", nullable((random.nextInt(1_001_000) - 1_000) / 4.0));
        order.put("paid", nullable(random.nextInt(10) < 7));
        long millis = number * 250L + random.nextInt(40_000) - 20_000;
        order.put("placed", nullable(BEGIN.plusNanos(millis * 1_000_000)));
        order.put("due", nullable(LocalDate.of(2023, 12, 25).plusDays(random.nextInt(100))));
        order.put("note", nullable(pick(NOTES)));
        byte[] payload = new byte[random.nextInt(6)];
        random.nextBytes(payload);
        order.put("payload", nullable(payload));
        List<String> tags = new ArrayList<>();
        for (int tag = random.nextInt(4); tag > 0; tag--) {
            tags.add(nullable("t" + random.nextInt(9)));
        }
        order.put("tags", nullable(tags));
        Map<String, String> attributes = new TreeMap<>();
        for (int key = random.nextInt(3); key > 0; key--) {
            attributes.put("k" + key, nullable("v" + random.nextInt(9)));
        }
        order.put("attributes", nullable(attributes));
        Map<String, Object> address = new TreeMap<>();
        address.put("city", pick(CITIES));
        address.put("zip", nullable(random.nextInt(100_000)));
        order.put("address", nullable(address));
        return order;
    }

    /** Half of the orders leave out what is null, which reads the same. */
    private static ObjectNode json(Map<String, Object> order, boolean isShort) {
        ObjectNode node = JSON.createObjectNode();
        order.forEach((name, value) -> {
            if (value == null) {
                if (!isShort) {
                    node.putNull(name);
                }
            } else if (value instanceof byte[]) {
                node.put(name, Base64.getEncoder().encodeToString((byte[]) value));
            } else if (value instanceof LocalDateTime) {
                node.put(name, TIMESTAMP.format((LocalDateTime) value));
            } else if (value instanceof LocalDate) {
                node.put(name, value.toString());
            } else {
                node.set(name, JSON.valueToTree(value));
            }
        });
        return node;
    }

    private static GenericRecord record(Map<String, Object> order, Schema schema) {
        GenericRecord record = new GenericData.Record(schema);
        order.forEach((name, value) -> {
            if (value instanceof BigDecimal) {
                record.put(name, ByteBuffer.wrap(((BigDecimal) value).unscaledValue().toByteArray()));
            } else if (value instanceof byte[]) {
                record.put(name, ByteBuffer.wrap((byte[]) value));
            } else if (value instanceof LocalDateTime) {
                record.put(name, ((LocalDateTime) value).toInstant(ZoneOffset.UTC).toEpochMilli());
            } else if (value instanceof LocalDate) {
                record.put(name, (int) ((LocalDate) value).toEpochDay());
            } else if (name.equals("address") && value != null) {
                GenericRecord address = new GenericData.Record(schema.getField(name).schema().getTypes().get(1));
                ((Map<?, ?>) value).forEach((field, it) -> address.put((String) field, it));
                record.put(name, address);
            } else {
                record.put(name, value);
            }
        });
        return record;
    }

    /** Each event has the row before and after, as in the log of a table with REPLICA IDENTITY FULL. */
    private void changes(Path folder, int count) throws Exception {
        Map<Integer, ObjectNode> rows = new HashMap<>();
        try (BufferedWriter out = Files.newBufferedWriter(folder.resolve("changes.jsonl"))) {
            for (int number = 0; number < count; number++) {
                int key = random.nextInt(count / 5 + 1);
                ObjectNode before = rows.get(key);
                boolean isDeleted = before != null && random.nextInt(5) == 0;
                ObjectNode after = null;
                if (!isDeleted) {
                    after = JSON.createObjectNode().put("id", key).put("customer", random.nextInt(500));
                    after.put("status", pick(STATES)).put("amount", BigDecimal.valueOf(random.nextInt(100_000), 2));
                    after.put("updated", TIMESTAMP.format(BEGIN.plusNanos(number * 10_000_000L)));
                }
                long millis = BEGIN.toInstant(ZoneOffset.UTC).toEpochMilli() + number * 10L;
                ObjectNode event = JSON.createObjectNode();
                event.set("before", before);
                event.set("after", after);
                ObjectNode source = event.putObject("source").put("connector", "postgresql").put("name", "shop");
                source.put("ts_ms", millis).put("db", "shop").put("schema", "public").put("table", "orders");
                source.put("lsn", number);
                String first = number < count / 100 ? "r" : "c";
                event.put("op", isDeleted ? "d" : before != null ? "u" : first).put("ts_ms", millis + 3);
                out.write(JSON.writeValueAsString(event));
                out.write('\n');
                if (isDeleted) {
                    rows.remove(key);
                } else {
                    rows.put(key, after);
                }
            }
        }
    }

    private <T> T nullable(T value) {
        return random.nextInt(20) == 0 ? null : value;
    }

    private <T> T pick(T[] values) {
        return values[random.nextInt(values.length)];
    }
}
