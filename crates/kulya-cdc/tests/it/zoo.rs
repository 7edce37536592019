//! All column types and kinds of changes in all modes, compared event by event with the output of Debezium's
//! engine (`tests/data/zoo/README.md`), with `compat = "debezium"`.

use crate::database::{Database, MemorySink, catch_up};
use crate::golden::{Difference, Masks, Place, Zoo, compare, zoo};
use kulya_cdc::CaptureSettings;
use kulya_cdc::debezium::{
    BinaryMode, Compatibility, DecimalMode, HstoreMode, IntervalMode, TimePrecision, ValueModes,
};

/// A mode: its name, its file, and what it sets.
type Mode = (&'static str, &'static str, fn(&mut CaptureSettings));

/// The modes of a zoo of PostgreSQL.
macro_rules! modes {
    ($folder:literal) => {{
        macro_rules! file {
            ($mode:literal) => {
                include_str!(concat!("../data/", $folder, "/", $mode, ".jsonl"))
            };
        }
        let modes: &[Mode] = &[
            ("default", "", |settings| {
                settings.format.schemas_in_keys = true;
                settings.format.schemas_in_values = true;
            }),
            ("noschema", file!("noschema"), |_| {}),
            ("decimal-string", file!("decimal-string"), |s| s.values.decimal = DecimalMode::String),
            ("decimal-double", file!("decimal-double"), |s| s.values.decimal = DecimalMode::Double),
            ("time-connect", file!("time-connect"), |s| time(s, TimePrecision::Connect)),
            ("time-isostring", file!("time-isostring"), |s| time(s, TimePrecision::Isostring)),
            ("time-microseconds", file!("time-microseconds"), |s| time(s, TimePrecision::Microseconds)),
            ("time-nanoseconds", file!("time-nanoseconds"), |s| time(s, TimePrecision::Nanoseconds)),
            ("time-adaptive-time-microseconds", file!("time-adaptive-time-microseconds"), |s| {
                time(s, TimePrecision::AdaptiveTimeMicroseconds);
            }),
            ("binary-base64", file!("binary-base64"), |s| s.values.binary = BinaryMode::Base64),
            ("binary-base64-url-safe", file!("binary-base64-url-safe"), |s| {
                s.values.binary = BinaryMode::Base64UrlSafe;
            }),
            ("binary-hex", file!("binary-hex"), |s| s.values.binary = BinaryMode::Hex),
            ("interval-string", file!("interval-string"), |s| s.values.interval = IntervalMode::String),
            ("hstore-map", file!("hstore-map"), |s| s.values.hstore = HstoreMode::Map),
            ("unknown-types", file!("unknown-types"), |s| s.values.include_unknown_types = true),
            ("tombstones-off", file!("tombstones-off"), |s| s.format.tombstones_on_delete = false),
            ("unavailable-placeholder", file!("unavailable-placeholder"), |s| {
                s.values.unavailable_value = "not sent: \"täst\"".into();
            }),
        ];
        modes
    }};
}

fn time(settings: &mut CaptureSettings, precision: TimePrecision) {
    settings.values.time_precision = Some(precision);
}

/// Captures a zoo in each mode, and compares.
async fn compare_modes(name: &str, zoo: &Zoo, modes: &[Mode], differences: &[Difference]) {
    let mut failures = Vec::new();
    for (mode, file, set) in modes {
        let (ours, with_schemas) = run(name, zoo, *set).await;
        let theirs = zoo.events(file, with_schemas, differences);
        let what = format!("{name} {mode}");
        if let Err(panic) = std::panic::catch_unwind(|| compare(&what, &ours, &theirs)) {
            failures.push(panic.downcast_ref::<String>().cloned().unwrap_or_default());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Captures the rows of a zoo and then its changes; returns the events, and drops everything.
pub(crate) async fn captured(
    database: &Database,
    zoo: &Zoo,
    settings: &CaptureSettings,
) -> Vec<serde_json::Value> {
    let mut sink = MemorySink::default();
    catch_up(settings, &mut sink).await.unwrap();
    for part in zoo.parts() {
        database.script(&part).await;
        catch_up(settings, &mut sink).await.unwrap();
    }
    database.drop_everything().await;
    let mut masks = Masks::new();
    sink.records.iter().map(|record| masks.masked(record, &database.name)).collect()
}

/// Captures a zoo; returns the events, and whether they have schemas.
async fn run(name: &str, zoo: &Zoo, set: fn(&mut CaptureSettings)) -> (Vec<serde_json::Value>, bool) {
    let database = Database::create(name).await;
    database.script(zoo.schema).await;
    let mut settings = database.settings();
    settings.name = "zoo".into();
    settings.slot = format!("kulya_{name}");
    settings.tables = vec!["zoo.*".into()];
    settings.format.provide_transaction_metadata = true;
    settings.format.schemas_in_headers = true;
    settings.format.context_headers = true;
    settings.values = ValueModes { compat: Compatibility::Debezium, ..ValueModes::default() };
    set(&mut settings);
    let ours = captured(&database, zoo, &settings).await;
    (ours, settings.format.schemas_in_values)
}

const JAVA_FLOAT: &str = "the same number of 32 bits; its digits are those of Java before version 19";
const JAVA_ADDRESS: &str = "an array in an array of texts is the address of an object in Java";
const LABELS: &str = "Debezium reads the labels of an enum once; after a restart it has the new ones too";
const RENAMED: &str = "a table that leaves the captured schema keeps its name until Debezium is restarted";

/// What cannot be copied. A difference that disappears makes the comparison fail.
const DIFFERENCES: &[Difference] = &[
    payload(20, "/after/f4", "1.1754944e-38", JAVA_FLOAT),
    payload(150, "/after/vc", "[null]", JAVA_ADDRESS),
    payload(150, "/after/t", "[null,null]", JAVA_ADDRESS),
    schema(713, "/fields/0/fields/5/parameters/allowed", r#""small,medium,large""#, LABELS),
    schema(713, "/fields/1/fields/5/parameters/allowed", r#""small,medium,large""#, LABELS),
    schema(719, "/fields/0/fields/5/parameters/allowed", r#""tiny,medium,large""#, LABELS),
    schema(719, "/fields/1/fields/5/parameters/allowed", r#""tiny,medium,large""#, LABELS),
    Difference { event: 777, place: Place::Event, ours: "", why: RENAMED },
    payload(778, "/event_count", "0", RENAMED),
    payload(778, "/data_collections", "[]", RENAMED),
];

const fn payload(event: usize, place: &'static str, ours: &'static str, why: &'static str) -> Difference {
    Difference { event, place: Place::Payload(place), ours, why }
}

const fn schema(event: usize, place: &'static str, ours: &'static str, why: &'static str) -> Difference {
    Difference { event, place: Place::Schema(place), ours, why }
}

/// What `cargo xtask test` runs on each version of PostgreSQL.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn events_match_debeziums_in_the_default_mode() {
    compare_modes("zoo_default", &zoo!("zoo/postgres"), &modes!("zoo/postgres")[..1], &[]).await;
    let (zoo, modes) = (zoo!("zoo-extended/postgres"), modes!("zoo-extended/postgres"));
    compare_modes("zoo_extended_default", &zoo, &modes[..1], DIFFERENCES).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn events_match_debeziums_in_all_modes() {
    let zoo = zoo!("zoo/postgres");
    compare_modes("zoo_first", &zoo, modes!("zoo/postgres"), &[]).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn events_of_the_extended_zoo_match_debeziums_in_all_modes() {
    let zoo = zoo!("zoo-extended/postgres");
    compare_modes("zoo_extended", &zoo, modes!("zoo-extended/postgres"), DIFFERENCES).await;
}
