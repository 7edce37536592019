import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.BufferedOutputStream;
import java.io.EOFException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import org.apache.calcite.config.Lex;
import org.apache.calcite.sql.SqlNode;
import org.apache.calcite.sql.parser.SqlParseException;
import org.apache.calcite.sql.parser.SqlParser;
import org.apache.calcite.sql.parser.SqlParserPos;
import org.apache.flink.sql.parser.ExtendedSqlNode;
import org.apache.flink.sql.parser.error.SqlValidateException;
import org.apache.flink.sql.parser.impl.FlinkSqlParserImpl;
import org.apache.flink.sql.parser.validate.FlinkSqlConformance;

/**
 * Flink's parser, set up as its table environment does. On a loopback port it reads statements, each behind its length in
 * four bytes, and answers in the same form: "ok" and a line with the class of each statement, or "refused LINE COLUMN", 0 0
 * if the parser gives no position, and the message in the lines behind it. What statements check of themselves counts too.
 */
public final class Parser {
    private static final int MAX_LENGTH = 16 << 20;
    private static final SqlParser.Config CONFIG = SqlParser.config()
            .withParserFactory(FlinkSqlParserImpl.FACTORY)
            .withConformance(FlinkSqlConformance.DEFAULT)
            .withLex(Lex.JAVA)
            .withIdentifierMaxLength(256);

    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(arguments[0]);
        try (ServerSocket listener = new ServerSocket(port, 8, InetAddress.getLoopbackAddress())) {
            System.out.println("ready");
            while (true) {
                Socket socket = listener.accept();
                // statements nest, and the parser is recursive
                new Thread(null, () -> serve(socket), "statements", 16L << 20).start();
            }
        }
    }

    private static void serve(Socket socket) {
        try (socket;
                DataInputStream in = new DataInputStream(socket.getInputStream());
                DataOutputStream out = new DataOutputStream(new BufferedOutputStream(socket.getOutputStream()))) {
            while (true) {
                int length = in.readInt();
                if (length < 0 || length > MAX_LENGTH) {
                    throw new IllegalArgumentException("a statement of " + length + " bytes");
                }
                byte[] answer = answer(new String(in.readNBytes(length), StandardCharsets.UTF_8))
                        .getBytes(StandardCharsets.UTF_8);
                out.writeInt(answer.length);
                out.write(answer);
                out.flush();
            }
        } catch (EOFException end) {
            // the client has closed the connection
        } catch (Exception gone) {
            System.err.println(gone);
        }
    }

    private static String answer(String statement) {
        StringBuilder kinds = new StringBuilder("ok");
        try {
            for (SqlNode node : SqlParser.create(statement, CONFIG).parseStmtList()) {
                if (node instanceof ExtendedSqlNode) {
                    ((ExtendedSqlNode) node).validate();
                }
                kinds.append('\n').append(node.getClass().getSimpleName());
            }
            return kinds.toString();
        } catch (SqlParseException wrong) {
            return refused(wrong.getPos(), wrong);
        } catch (SqlValidateException wrong) {
            return refused(wrong.getErrorPosition(), wrong);
        } catch (Exception | StackOverflowError wrong) {
            return refused(null, wrong);
        }
    }

    private static String refused(SqlParserPos position, Throwable wrong) {
        int line = position == null ? 0 : position.getLineNum();
        int column = position == null ? 0 : position.getColumnNum();
        return "refused " + line + " " + column + "\n" + (wrong.getMessage() == null ? wrong : wrong.getMessage());
    }
}
