//! Known keys of Debezium Server itself: sink, format, transformations, and Quarkus.

use super::known::{Effect, Kind, KnownKey};
use super::rows::{ALL, fixed, missing, needless, only, rows, used};
use crate::debezium_server::choice::Format;
use Kind::{Boolean, Choice, List, Secret, Text};

const HEADER_FORMATS: &[&str] = &["json", "jsonbytearray", "connect", "clientprovided"];

rows! { "":
    "debezium.sink.type",                   ALL, Text,    "",        Events,    used("`pravega`; with `--data`, `--url` or `--record` any");
    "debezium.sink.pravega.controller.uri", ALL, Text,    "tcp://localhost:9090", Events, used("`--data`");
    "debezium.sink.pravega.scope",          ALL, Text,    "",        Events,    used("`--scope`");
    "debezium.sink.pravega.transaction",    ALL, Boolean, "false",   Operation, only(&["true", "false"], "a commit is one transaction over all streams either way");
    "debezium.sink.<type>.*",               ALL, Secret,  "",        Operation, needless("settings of another sink");
    "debezium.format.key",                  ALL, Choice(Format::NAMES), "json", Operation, fixed(&["json", "jsonbytearray"], &["avro"], "keys are JSON; streams have their values as routing keys");
    "debezium.format.value",                ALL, Choice(Format::NAMES), "json", Events, only(&["json", "jsonbytearray", "avro"], "`format.encoding`: JSON or Avro");
    "debezium.format.header",               ALL, Choice(HEADER_FORMATS), "json", Operation, only(&["json", "jsonbytearray"], "headers are JSON");
    "debezium.format.schemas.enable",       ALL, Boolean, "true",    Events,    used("`format.schemas-in-keys`, `format.schemas-in-values`, `format.schemas-in-headers`");
    "debezium.format.key.schemas.enable",   ALL, Boolean, "true",    Operation, used("`format.schemas-in-keys`");
    "debezium.format.value.schemas.enable", ALL, Boolean, "true",    Events,    used("`format.schemas-in-values`");
    "debezium.format.header.schemas.enable", ALL, Boolean, "true",   Operation, used("`format.schemas-in-headers`");
    "debezium.format.key.*",                ALL, Secret,  "",        Operation, needless("the JSON of keys has no options");
    "debezium.format.header.*",             ALL, Secret,  "",        Operation, needless("the JSON of headers has no options");
    "debezium.format.value.apicurio.*",       ALL, Secret,  "",        Operation, needless("the registry of schemas is Kulya's own");
    "debezium.format.value.schema.registry.*",  ALL, Secret,  "",        Operation, needless("the registry of schemas is Kulya's own");
    "debezium.format.value.basic.auth.*",     ALL, Secret,  "",        Operation, needless("the registry of schemas is Kulya's own");
    "debezium.format.value.auto.register.schemas",  ALL, Secret,  "",        Operation, needless("the registry of schemas is Kulya's own");
    "debezium.format.apicurio.*",             ALL, Secret,  "",        Operation, needless("the registry of schemas is Kulya's own");
    "debezium.format.schema.registry.*",      ALL, Secret,  "",        Operation, needless("the registry of schemas is Kulya's own");
    "debezium.format.basic.auth.*",           ALL, Secret,  "",        Operation, needless("the registry of schemas is Kulya's own");
    "debezium.format.auto.register.schemas",  ALL, Secret,  "",        Operation, needless("the registry of schemas is Kulya's own");
    "debezium.format.<property>",           ALL, Secret,  "",        Events,    missing("the formats of events have no options");
    "debezium.source.key.converter.schemas.enable", ALL, Boolean, "true", Events, used("`format.schemas-in-keys`");
    "debezium.source.header.converter.schemas.enable", ALL, Boolean, "true", Events, used("`format.schemas-in-headers`");
    "debezium.source.header.converter.*",   ALL, Secret,  "",        Operation, needless("the JSON of headers has no options");
    "debezium.source.key.converter.*",      ALL, Secret,  "",        Operation, needless("the JSON of keys has no options");
    "debezium.source.value.converter.schemas.enable", ALL, Boolean, "true", Events, used("`format.schemas-in-values`");
    "debezium.source.value.converter",      ALL, Text,    "",        Events,    missing("Java classes cannot be loaded");
    "debezium.source.value.converter.*",    ALL, Secret,  "",        Events,    missing("the JSON of events has no options");
    "debezium.transforms",                  ALL, List,    "",        Events,    used("`transforms`: `RegexRouter`, `ByLogicalTableRouter` and `ExtractNewRecordState`; others stop the program");
    "debezium.transforms.<name>.*",         ALL, Secret,  "",        Events,    used("`transforms`");
    "debezium.predicates",                  ALL, List,    "",        Events,    used("`predicate` of `transforms`: `TopicNameMatches` and `RecordIsTombstone`");
    "debezium.predicates.<name>.*",         ALL, Secret,  "",        Events,    used("`predicate` of `transforms`");
    "debezium.source.transforms",           ALL, List,    "",        Events,    missing("write the key as debezium.transforms");
    "debezium.source.transforms.<name>.*",  ALL, Secret,  "",        Operation, needless("belongs to debezium.source.transforms");
    "debezium.source.predicates",           ALL, List,    "",        Operation, needless("belongs to debezium.source.transforms");
    "debezium.source.predicates.<name>.*",  ALL, Secret,  "",        Operation, needless("belongs to debezium.source.transforms");
    "debezium.api.*",                       ALL, Text,    "",        Operation, missing("use kulya capture signal, or POST /v2/captures/NAME/signals");
    "debezium.engine.factory",              ALL, Text,    "",        Operation, needless("a Java class");
    "debezium.termination.wait",            ALL, Text,    "10",      Operation, needless("a commit is whole, whenever the program ends");
    "debezium.embedded.shutdown.pause.before.interrupt.ms", ALL, Text, "300000", Operation, needless("a commit is whole, whenever the program ends");
    "quarkus.debezium.*",                   ALL, Secret,  "",        Events,    missing("write the key as debezium.source.…");
    "quarkus.config.locations",             ALL, Text,    "",        Events,    missing("write all keys in one file");
    "smallrye.config.locations",            ALL, Text,    "",        Events,    missing("write all keys in one file");
    "quarkus.http.port",                    ALL, Text,    "8080",    Operation, needless("`kulya serve --health-listen` serves health");
    "quarkus.http.*",                       ALL, Secret,  "",        Operation, needless("`kulya serve` serves HTTP");
    "quarkus.log.level",                    ALL, Text,    "INFO",    Operation, needless("`--log` or KULYA_LOG");
    "quarkus.log.*",                        ALL, Text,    "",        Operation, needless("`--log` or KULYA_LOG");
    "quarkus.*",                            ALL, Secret,  "",        Operation, needless("a setting of Quarkus, on which Debezium Server runs");
}
