//! Known keys of PostgreSQL's log: slot, publication and confirmation.

use super::known::{Effect, Kind, KnownKey};
use super::rows::{POSTGRES, fixed, missing, needless, only, rows, used};
use crate::debezium_server::choice::{DecodingPlugin, PublicationMode};
use Kind::{Boolean, Choice, Number, Patterns, Text};

rows! { "debezium.source.":
    "plugin.name",                     POSTGRES, Choice(DecodingPlugin::NAMES), "decoderbufs", Operation, fixed(&["pgoutput"], &["decoderbufs"], "always `pgoutput`; a slot of another plugin cannot be used");
    "slot.name",                       POSTGRES, Text,    "debezium",        Operation, used("`--slot`");
    "slot.drop.on.stop",               POSTGRES, Boolean, "false",           Operation, only(&["false"], "the slot stays: drop it when the capture is given up");
    "slot.failover",                   POSTGRES, Boolean, "false",           Operation, only(&["false"], "create the slot with failover before the first start");
    "slot.stream.params",              POSTGRES, Text,    "",                Events,    missing("parameters of other plugins");
    "slot.max.retries",                POSTGRES, Number,  "6",               Operation, needless("8 attempts without progress");
    "slot.retry.delay.ms",             POSTGRES, Number,  "10000",           Operation, needless("a lost connection is opened again after 0.2 to 10 s");
    "publication.name",                POSTGRES, Text,    "dbz_publication", Operation, used("`--publication`");
    "publication.autocreate.mode",     POSTGRES, Choice(PublicationMode::NAMES), "all_tables", Operation, fixed(&["all_tables", "filtered"], &["disabled", "no_tables"], "a publication that does not exist is created, for the captured tables");
    "publish.via.partition.root",      POSTGRES, Boolean, "false",           Events,    only(&["false"], "events are in the stream of the partition");
    "replica.identity.autoset.values", POSTGRES, Text,    "",                Events,    missing("run ALTER TABLE … REPLICA IDENTITY once");
    "flush.lsn.source",                POSTGRES, Boolean, "true",            Operation, only(&["true"], "the position is confirmed after each commit");
    "lsn.flush.mode",                  POSTGRES, Choice(&["connector", "connector_and_driver", "manual"]), "", Operation, fixed(&["connector", "connector_and_driver"], &["manual"], "the position is confirmed after each commit");
    "lsn.flush.timeout.ms",            POSTGRES, Number,  "30000",           Operation, needless("the position is confirmed after each commit");
    "lsn.flush.timeout.action",        POSTGRES, Choice(&["fail", "warn", "ignore"]), "fail", Operation, needless("the position is confirmed after each commit");
    "offset.mismatch.strategy",        POSTGRES, Choice(&["no_validation", "trust_offset", "trust_slot", "trust_greater_lsn"]), "no_validation", Operation, needless("a slot that is ahead of the stored position stops the capture");
    "internal.log.position.check.enable", POSTGRES, Boolean, "true",         Operation, only(&["true"], "a slot that is ahead of the stored position stops the capture");
    "xmin.fetch.interval.ms",          POSTGRES, Number,  "0",               Events,    only(&["0"], "`source.xmin` is null");
    "message.prefix.include.list",     POSTGRES, Patterns, "",               Events,    missing("all logical messages are captured");
    "message.prefix.exclude.list",     POSTGRES, Patterns, "",               Events,    missing("all logical messages are captured");
    "read.only",                       POSTGRES, Boolean, "false",           Operation, needless("nothing is written to tables; slot and publication are created if they are missing");
    "money.fraction.digits",           POSTGRES, Number,  "2",               Events,    only(&["2"], "money has 2 digits");
    "schema.refresh.mode",             POSTGRES, Choice(&["columns_diff", "columns_diff_exclude_unchanged_toast"]), "columns_diff", Operation, needless("a table's columns come with the log");
    "hstore.handling.mode",            POSTGRES, Choice(crate::debezium_server::choice::HstoreMode::NAMES), "json", Events, used("`values.hstore`");
    "interval.handling.mode",          POSTGRES, Choice(crate::debezium_server::choice::IntervalMode::NAMES), "numeric", Events, used("`values.interval`");
}
