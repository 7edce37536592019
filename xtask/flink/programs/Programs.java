import java.io.PrintWriter;
import java.lang.reflect.Array;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.JsonNodeFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.flink.table.test.program.ConfigOptionTestStep;
import org.apache.flink.table.test.program.FailingSqlTestStep;
import org.apache.flink.table.test.program.FunctionTestStep;
import org.apache.flink.table.test.program.SinkTestStep;
import org.apache.flink.table.test.program.SourceTestStep;
import org.apache.flink.table.test.program.SqlTestStep;
import org.apache.flink.table.test.program.StatementSetTestStep;
import org.apache.flink.table.test.program.TableTestProgram;
import org.apache.flink.table.test.program.TableTestStep;
import org.apache.flink.table.test.program.TestStep;
import org.apache.flink.types.Row;

/**
 * Writes Flink's test programs as lines of JSON: {"class", "id", "description", "setup": steps, "run": steps}. A step has a
 * kind and, by it:
 *
 * <ul>
 *   <li>source: name, columns, options, partitions, rows, rowsAfterRestore
 *   <li>sink: name, columns, options, partitions, rows and rowsAfterRestore as Flink prints them, materialized
 *   <li>sql: sql · statement_set: statements · failing_sql: sql, exception, message
 *   <li>config: key, value · function: name, class · others nothing
 * </ul>
 *
 * A source's row is its kind and its values: numbers, strings (decimals and times, too), arrays, {"bytes": base64},
 * {"row": values}, {"map": pairs}.
 */
public final class Programs {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    public static void main(String[] arguments) throws Exception {
        int programs = 0;
        try (PrintWriter out = new PrintWriter(arguments[1], StandardCharsets.UTF_8)) {
            for (String name : classes(arguments[0])) {
                Class<?> holder = Class.forName(name);
                for (Field field : holder.getDeclaredFields()) {
                    if (field.getType() == TableTestProgram.class && Modifier.isStatic(field.getModifiers())) {
                        field.setAccessible(true);
                        TableTestProgram program = (TableTestProgram) field.get(null);
                        out.print(new ObjectMapper().writeValueAsString(program(holder, program)));
                        out.print('\n');
                        programs++;
                    }
                }
            }
        }
        System.out.println(programs + " programs");
    }

    private static Iterable<String> classes(String jar) throws Exception {
        TreeSet<String> names = new TreeSet<>();
        try (ZipFile zip = new ZipFile(jar)) {
            for (ZipEntry entry : (Iterable<ZipEntry>) zip.stream().map(it -> (ZipEntry) it)::iterator) {
                if (entry.getName().endsWith("TestPrograms.class")) {
                    names.add(entry.getName().replace('/', '.').replace(".class", ""));
                }
            }
        }
        return names;
    }

    private static ObjectNode program(Class<?> holder, TableTestProgram program) {
        ObjectNode node = JSON.objectNode();
        node.put("class", holder.getSimpleName().replace("TestPrograms", ""));
        node.put("id", program.id);
        node.put("description", program.description);
        node.set("setup", steps(program.setupSteps));
        node.set("run", steps(program.runSteps));
        return node;
    }

    private static ArrayNode steps(List<TestStep> steps) {
        ArrayNode nodes = JSON.arrayNode();
        for (TestStep step : steps) {
            nodes.add(step(step));
        }
        return nodes;
    }

    private static ObjectNode step(TestStep step) {
        ObjectNode node = JSON.objectNode();
        if (step instanceof SourceTestStep) {
            SourceTestStep source = (SourceTestStep) step;
            table(node.put("kind", "source"), source);
            node.set("rows", rows(source.dataBeforeRestore));
            node.set("rowsAfterRestore", rows(source.dataAfterRestore));
        } else if (step instanceof SinkTestStep) {
            SinkTestStep sink = (SinkTestStep) step;
            table(node.put("kind", "sink"), sink);
            node.set("rows", expected(sink.expectedBeforeRestore, sink.expectedBeforeRestoreStrings));
            node.set("rowsAfterRestore", expected(sink.expectedAfterRestore, sink.expectedAfterRestoreStrings));
            node.set("materialized", expected(sink.expectedMaterializedRows, sink.expectedMaterializedStrings));
        } else if (step instanceof SqlTestStep) {
            node.put("kind", "sql").put("sql", ((SqlTestStep) step).sql);
        } else if (step instanceof StatementSetTestStep) {
            node.put("kind", "statement_set");
            node.set("statements", texts(((StatementSetTestStep) step).statements));
        } else if (step instanceof FailingSqlTestStep) {
            FailingSqlTestStep failing = (FailingSqlTestStep) step;
            node.put("kind", "failing_sql").put("sql", failing.sql);
            node.put("exception", failing.expectedException.getName()).put("message", failing.expectedErrorMessage);
        } else if (step instanceof ConfigOptionTestStep) {
            ConfigOptionTestStep<?> config = (ConfigOptionTestStep<?>) step;
            node.put("kind", "config").put("key", config.option.key()).put("value", String.valueOf(config.value));
        } else if (step instanceof FunctionTestStep) {
            FunctionTestStep function = (FunctionTestStep) step;
            node.put("kind", "function").put("name", function.name).put("class", function.function.getName());
        } else {
            node.put("kind", step.getKind().name().toLowerCase());
        }
        return node;
    }

    private static void table(ObjectNode node, TableTestStep table) {
        node.put("name", table.name);
        node.set("columns", texts(table.schemaComponents));
        node.set("partitions", texts(table.partitionKeys));
        ObjectNode options = node.putObject("options");
        table.options.forEach(options::put);
    }

    private static ArrayNode texts(List<String> texts) {
        ArrayNode nodes = JSON.arrayNode();
        texts.forEach(nodes::add);
        return nodes;
    }

    /** Rows as Flink prints them; null if the step does not say which it expects. */
    private static JsonNode expected(List<Row> rows, List<String> printed) {
        if (printed != null) {
            return texts(printed);
        }
        if (rows == null) {
            return JSON.nullNode();
        }
        List<String> texts = new ArrayList<>();
        rows.forEach(row -> texts.add(row.toString()));
        return texts(texts);
    }

    private static ArrayNode rows(List<Row> rows) {
        ArrayNode nodes = JSON.arrayNode();
        for (Row row : rows) {
            ArrayNode node = nodes.addArray().add(row.getKind().shortString());
            values(row, node);
        }
        return nodes;
    }

    private static void values(Row row, ArrayNode node) {
        if (row.getFieldNames(false) != null) {
            throw new IllegalStateException("a row with names: " + row);
        }
        for (int index = 0; index < row.getArity(); index++) {
            node.add(value(row.getField(index)));
        }
    }

    private static JsonNode value(Object value) {
        if (value == null) {
            return JSON.nullNode();
        } else if (value instanceof Boolean) {
            return JSON.booleanNode((Boolean) value);
        } else if (value instanceof Float || value instanceof Double) {
            double number = ((Number) value).doubleValue();
            // the text of a float, not that of its exact value as a double
            return Double.isFinite(number)
                    ? JSON.numberNode(new BigDecimal(value.toString()))
                    : JSON.textNode(value.toString());
        } else if (value instanceof Number && !(value instanceof BigDecimal)) {
            return JSON.numberNode(((Number) value).longValue());
        } else if (value instanceof byte[]) {
            return JSON.objectNode().put("bytes", Base64.getEncoder().encodeToString((byte[]) value));
        } else if (value instanceof Row) {
            ObjectNode node = JSON.objectNode();
            values((Row) value, node.putArray("row"));
            return node;
        } else if (value instanceof Map) {
            ObjectNode node = JSON.objectNode();
            ArrayNode pairs = node.putArray("map");
            ((Map<?, ?>) value).forEach((key, it) -> pairs.addArray().add(value(key)).add(value(it)));
            return node;
        } else if (value instanceof Iterable) {
            ArrayNode node = JSON.arrayNode();
            ((Iterable<?>) value).forEach(it -> node.add(value(it)));
            return node;
        } else if (value.getClass().isArray()) {
            ArrayNode node = JSON.arrayNode();
            for (int index = 0; index < Array.getLength(value); index++) {
                node.add(value(Array.get(value, index)));
            }
            return node;
        }
        return JSON.textNode(value.toString());
    }
}
