//! Known keys: the connection to the database, and TLS.

use super::known::{Effect, Kind, KnownKey};
use super::rows::{ALL, BINLOG, MARIADB, MYSQL, POSTGRES, fixed, missing, needless, rows, used};
use crate::debezium_server::choice::DatabaseKind;
use Kind::{Boolean, Choice, Class, List, Number, Secret, Text};

rows! { "debezium.source.":
    "connector.class",                    ALL,      Choice(DatabaseKind::NAMES), "", Events, used("the kind of database");
    "database.hostname",                  ALL,      Text,    "",          Operation, used("`--postgres`, or `url`");
    "database.port",                      POSTGRES, Number,  "5432",      Operation, used("`--postgres`, or `url`");
    "database.port",                      BINLOG,   Number,  "3306",      Operation, used("`url`");
    "database.user",                      ALL,      Text,    "",          Operation, used("`--postgres`, or `url`");
    "database.password",                  ALL,      Secret,  "",          Operation, used("`KULYA_POSTGRES_PASSWORD`");
    "database.dbname",                    POSTGRES, Text,    "",          Events,    used("`--postgres`, or `url`");
    "database.query.timeout.ms",          ALL,      Number,  "600000",    Operation, needless("queries have no timeout");
    "database.tcpKeepAlive",              POSTGRES, Boolean, "true",      Operation, fixed(&["true"], &["false"], "always on");
    "database.initial.statements",        ALL,      Secret,    "",          Operation, missing("set what is needed for the user: ALTER ROLE … SET");
    "database.connection.factory.class",  ALL,      Class,   "",          Security,  missing("the user's name and password are used");
    "database.sslmode",                   POSTGRES, Choice(&["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]), "prefer", Security, used("`sslmode` of the URL; `allow` is `prefer`");
    "database.sslcert",                   POSTGRES, Text,    "",          Operation, missing("client certificates are not supported yet");
    "database.sslkey",                    POSTGRES, Text,    "",          Operation, missing("client certificates are not supported yet");
    "database.sslpassword",               POSTGRES, Secret,  "",          Operation, missing("client certificates are not supported yet");
    "database.sslrootcert",               POSTGRES, Text,    "",          Operation, used("`sslrootcert` of the URL");
    "database.sslfactory",                POSTGRES, Class,   "",          Security,  missing("client certificates are not supported yet");
    "database.ssl.mode",                  MYSQL,    Choice(&["disabled", "preferred", "required", "verify_ca", "verify_identity"]), "preferred", Security, used("`ssl-mode` of the URL");
    "database.ssl.mode",                  MARIADB,  Choice(&["disable", "trust", "verify-ca", "verify-full"]), "disable", Security, used("`ssl-mode` of the URL");
    "database.ssl.keystore",              BINLOG,   Text,    "",          Security,  missing("client certificates are not supported yet");
    "database.ssl.keystore.password",     BINLOG,   Secret,  "",          Security,  missing("client certificates are not supported yet");
    "database.ssl.truststore",            BINLOG,   Text,    "",          Security,  missing("Java's key stores cannot be read: add the authorities to those of the operating system");
    "database.ssl.truststore.password",   BINLOG,   Secret,  "",          Security,  missing("Java's key stores cannot be read: add the authorities to those of the operating system");
    "database.jdbc.driver",               MYSQL,    Class,   "com.mysql.cj.jdbc.Driver", Operation, needless("a Java driver");
    "database.protocol",                  MYSQL,    Text,    "jdbc:mysql", Operation, needless("a Java driver");
    "driver.allowPublicKeyRetrieval",     MYSQL,    Boolean, "false",     Operation, used("`get-server-public-key` of the URL");
    "driver.*",                           ALL,      Secret,    "",          Operation, needless("parameters of a Java driver");
    "datasource.*",                       ALL,      Secret,    "",          Operation, needless("a pool of Java connections");
    "connect.timeout.ms",                 BINLOG,   Number,  "30000",     Operation, used("`connect-timeout` of the URL");
    "connect.keep.alive",                 BINLOG,   Boolean, "true",      Operation, fixed(&["true"], &["false"], "a lost connection is always opened again");
    "connect.keep.alive.interval.ms",     BINLOG,   Number,  "60000",     Operation, needless("a lost connection is opened again after 0.2 to 10 s");
    "connection.validation.timeout.ms",   ALL,      Number,  "60000",     Operation, needless("the connection's timeout is 10 s");
    "query.fetch.size",                   ALL,      Number,  "0",         Operation, needless("rows are read as a stream");
    "status.update.interval.ms",          POSTGRES, Number,  "10000",     Operation, needless("the position is confirmed after each commit");
    "retriable.restart.connector.wait.ms", ALL,     Number,  "10000",     Operation, needless("a lost connection is opened again after 0.2 to 10 s");
    "errors.max.retries",                 ALL,      Number,  "-1",        Operation, needless("8 attempts without progress");
    "errors.retry.delay.initial.ms",      ALL,      Number,  "300",       Operation, needless("a lost connection is opened again after 0.2 to 10 s");
    "errors.retry.delay.max.ms",          ALL,      Number,  "10000",     Operation, needless("a lost connection is opened again after 0.2 to 10 s");
    "errors.tolerance",                   ALL,      Text,    "none",      Operation, fixed(&["none"], &["all"], "an event that cannot be converted stops the capture");
    "config.providers",                   ALL,      List,    "",          Security,  missing("write ${NAME}, and set the environment variable NAME");
    "config.providers.*",                 ALL,      Secret,    "",          Operation, missing("write ${NAME}, and set the environment variable NAME");
}
