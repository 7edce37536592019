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
import kulya.test.Order;
import org.apache.avro.Schema;
import org.apache.avro.file.DataFileWriter;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * Made-up events, the same for the same seed, as files of a folder:
 *
 * <ul>
 *   <li>orders.jsonl: orders as JSON, one event a line
 *   <li>orders.avro: the same as an Avro container file, which Flink reads
 *   <li>orders.datums: the same as Avro datums, each behind its length in four bytes, written with orders.avsc
 *   <li>orders.messages: the same as Protobuf messages, each behind its length
 *   <li>orders.descriptors: the descriptors of these messages in base64
 *   <li>changes.jsonl: Debezium events of a table with the primary key id, one a line
 *   <li>changes.avro, changes.datums, changes.avsc: the same envelopes as Avro
 *   <li>orders.columns, messages.columns, changes.columns: their columns, as CREATE TABLE has them
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
    /** Protobuf has no decimals, dates and timestamps. */
    private static final String MESSAGES = String.join(",\n",
            "id BIGINT NOT NULL", "customer INT NOT NULL", "product STRING NOT NULL", "category STRING",
            "quantity INT", "amount_text STRING", "price DOUBLE", "paid BOOLEAN", "placed_text STRING", "due_text STRING",
            "note STRING", "payload BYTES", "tags ARRAY<STRING>", "attributes MAP<STRING, STRING>",
            "address ROW<city STRING, zip INT>", "amount AS CAST(amount_text AS DECIMAL(10, 2))",
            "placed AS CAST(placed_text AS TIMESTAMP(3))", "due AS CAST(due_text AS DATE)\n");
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
    private static final String[][] ROW = {
        {"id", "\"long\""}, {"customer", "[\"null\", \"int\"]"}, {"status", "[\"null\", \"string\"]"},
        {"amount", "[\"null\", {\"type\": \"bytes\", \"logicalType\": \"decimal\", \"precision\": 10, \"scale\": 2}]"},
        {"updated", "[\"null\", {\"type\": \"long\", \"logicalType\": \"timestamp-millis\"}]"},
    };
    private static final String[][] SOURCE = {
        {"connector", "\"string\""}, {"name", "\"string\""}, {"ts_ms", "\"long\""}, {"db", "\"string\""},
        {"schema", "\"string\""}, {"table", "\"string\""}, {"lsn", "[\"null\", \"long\"]"},
    };
    private static final String[][] ENVELOPE = {
        {"before", "[\"null\", " + avro("shop.public.orders.Value", ROW) + "]"},
        {"after", "[\"null\", \"shop.public.orders.Value\"]"},
        {"source", avro("io.debezium.connector.postgresql.Source", SOURCE)}, {"op", "\"string\""},
        {"ts_ms", "[\"null\", \"long\"]"},
    };

    private final Random random;

    private Events(long seed) {
        random = new Random(seed);
    }

    static void write(Path folder, int count, long seed) throws Exception {
        Files.createDirectories(folder);
        Files.writeString(folder.resolve("orders.columns"), ORDERS);
        Files.writeString(folder.resolve("changes.columns"), CHANGES);
        Files.writeString(folder.resolve("messages.columns"), MESSAGES);
        Files.writeString(folder.resolve("orders.descriptors"), Base64.getEncoder().encodeToString(Order.descriptors()));
        Events events = new Events(seed);
        events.orders(folder, count);
        events.changes(folder, count);
    }

    private static String avro(String name, String[][] columns) {
        List<String> fields = new ArrayList<>();
        for (String[] column : columns) {
            fields.add("{\"name\": \"" + column[0] + "\", \"type\": " + column[1] + "}");
        }
        String all = String.join(",\n", fields);
        return "{\"type\": \"record\", \"name\": \"" + name + "\", \"fields\": [\n" + all + "]}\n";
    }

    /** Events of a schema as an Avro container file, and as datums behind their lengths. */
    private static final class AvroFiles implements AutoCloseable {
        final Schema schema;
        private final GenericDatumWriter<GenericRecord> writer;
        private final DataFileWriter<GenericRecord> container;
        private final DataOutputStream datums;

        AvroFiles(Path folder, String name, String text) throws Exception {
            Files.writeString(folder.resolve(name + ".avsc"), text);
            schema = new Schema.Parser().parse(text);
            writer = new GenericDatumWriter<>(schema);
            container = new DataFileWriter<>(writer);
            container.create(schema, folder.resolve(name + ".avro").toFile());
            datums = framed(folder.resolve(name + ".datums"));
        }

        void write(GenericRecord record) throws Exception {
            container.append(record);
            ByteArrayOutputStream datum = new ByteArrayOutputStream();
            BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(datum, null);
            writer.write(record, encoder);
            encoder.flush();
            datums.writeInt(datum.size());
            datum.writeTo(datums);
        }

        @Override
        public void close() throws Exception {
            container.close();
            datums.close();
        }
    }

    private static DataOutputStream framed(Path file) throws Exception {
        return new DataOutputStream(new BufferedOutputStream(Files.newOutputStream(file)));
    }

    private void orders(Path folder, int count) throws Exception {
        try (BufferedWriter json = Files.newBufferedWriter(folder.resolve("orders.jsonl"));
                AvroFiles avro = new AvroFiles(folder, "orders", avro("kulya.test.order", AVRO));
                DataOutputStream messages = framed(folder.resolve("orders.messages"))) {
            for (int number = 0; number < count; number++) {
                Map<String, Object> order = order(number);
                json.write(JSON.writeValueAsString(json(order, number % 2 == 0)));
                json.write('\n');
                avro.write(record(order, avro.schema));
                byte[] message = Order.encode(message(order));
                messages.writeInt(message.length);
                messages.write(message);
            }
        }
    }

    private static Map<String, Object> message(Map<String, Object> order) {
        Map<String, Object> message = new TreeMap<>(order);
        for (String name : List.of("amount", "placed", "due")) {
            Object value = message.remove(name);
            Object text = value instanceof LocalDateTime ? TIMESTAMP.format((LocalDateTime) value) : value;
            message.put(name + "_text", text == null ? null : text.toString());
        }
        return message;
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
        try (BufferedWriter out = Files.newBufferedWriter(folder.resolve("changes.jsonl"));
                AvroFiles avro = new AvroFiles(folder, "changes", avro("shop.public.orders.Envelope", ENVELOPE))) {
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
                avro.write(envelope(event, avro.schema));
                if (isDeleted) {
                    rows.remove(key);
                } else {
                    rows.put(key, after);
                }
            }
        }
    }

    private static GenericRecord envelope(ObjectNode event, Schema schema) {
        GenericRecord envelope = new GenericData.Record(schema);
        for (String name : List.of("before", "after")) {
            envelope.put(name, row(event.get(name), schema.getField(name).schema().getTypes().get(1)));
        }
        GenericRecord source = new GenericData.Record(schema.getField("source").schema());
        event.get("source").properties().forEach(field -> {
            JsonNode value = field.getValue();
            source.put(field.getKey(), value.isTextual() ? value.textValue() : (Object) value.longValue());
        });
        envelope.put("source", source);
        envelope.put("op", event.get("op").textValue());
        envelope.put("ts_ms", event.get("ts_ms").longValue());
        return envelope;
    }

    private static GenericRecord row(JsonNode row, Schema schema) {
        if (row == null || row.isNull()) {
            return null;
        }
        Map<String, Object> values = new HashMap<>();
        values.put("id", row.get("id").longValue());
        values.put("customer", row.get("customer").intValue());
        values.put("status", row.get("status").textValue());
        values.put("amount", row.get("amount").decimalValue().setScale(2));
        values.put("updated", LocalDateTime.parse(row.get("updated").textValue(), TIMESTAMP));
        return record(values, schema);
    }

    private <T> T nullable(T value) {
        return random.nextInt(20) == 0 ? null : value;
    }

    private <T> T pick(T[] values) {
        return values[random.nextInt(values.length)];
    }
}
