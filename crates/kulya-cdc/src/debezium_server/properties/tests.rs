//! Compares with Java: the files below `tests/data/debezium-server` have what `java.util.Properties` (17) and
//! SmallRye Config (3.13) made of each input.

use super::*;
use proptest::prelude::*;
use serde_json::Value;

const TEXTS: &str = include_str!("../../../tests/data/debezium-server/properties.jsonl");
const EXPRESSIONS: &str = include_str!("../../../tests/data/debezium-server/expressions.jsonl");
const LOOKUPS: &str = include_str!("../../../tests/data/debezium-server/lookups.jsonl");

/// The keys beside `a` of every case of expressions.jsonl.
const EXPRESSION_FILE: &str = "b=B\nd=D\ncD=CD\nempty=\np=plain-p\n%prod.p=prod-p\nq=plain-q\n%dev.q=dev-q\n\
    e1=${e2}\ne2=<${b}>\nb.c=dotted\nenv.name=from file\nself=${self}\nws=\\u0020w \n%prod.only=o\ndollar=$$x\n";

fn cases(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Writes a text as a value of a properties file.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace(' ', "\\u0020")
}

#[test]
fn text_is_parsed_as_java_parses_it() {
    let mut accepted = 0;
    for case in cases(TEXTS) {
        let text = case["text"].as_str().unwrap();
        let parsed = text::parse(text.as_bytes());
        let Some(expected) = case["pairs"].as_object() else {
            // Java accepts half a surrogate pair, which no Rust text can hold
            assert!(matches!(parsed, Err(PropertiesError::Line { .. })), "{text:?}: {parsed:?}");
            continue;
        };
        let parsed = parsed.unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let found: BTreeMap<&str, &str> =
            parsed.iter().map(|pair| (pair.key.as_str(), pair.value.as_str())).collect();
        let expected: BTreeMap<&str, &str> =
            expected.iter().map(|(key, value)| (key.as_str(), value.as_str().unwrap())).collect();
        assert_eq!(found, expected, "{text:?}");
        accepted += 1;
    }
    assert!(accepted > 450, "{accepted} cases");
}

#[test]
fn expressions_are_expanded_as_smallrye_expands_them() {
    let environment = environment(&[("ENV_NAME", "from env"), ("lower_env", "low"), ("ENVEMPTY", "")]);
    for case in cases(EXPRESSIONS) {
        let value = case["value"].as_str().unwrap();
        let file = format!("{EXPRESSION_FILE}a={}\n", escaped(value));
        let properties = Properties::parse(file.as_bytes(), &environment).unwrap();
        assert_eq!(properties.get("a"), case["result"].as_str(), "{value:?}");
    }
}

#[test]
fn sources_have_the_precedence_of_smallrye() {
    for case in cases(LOOKUPS) {
        let pairs = |member: &str| case[member].as_object().unwrap().clone();
        let mut file = String::new();
        for (key, value) in pairs("file") {
            file += &format!("{}={}\n", escaped(&key), escaped(value.as_str().unwrap()));
        }
        let mut environment: BTreeMap<String, String> =
            pairs("environment").into_iter().map(|(k, v)| (k, v.as_str().unwrap().to_owned())).collect();
        environment.insert("QUARKUS_PROFILE".into(), case["profile"].as_str().unwrap().into());
        let properties = Properties::parse(file.as_bytes(), &environment).unwrap();
        assert_eq!(properties.get(case["key"].as_str().unwrap()), case["result"].as_str(), "{case}");
    }
}

#[test]
fn variables_stand_for_keys_that_the_file_lacks() {
    let environment = environment(&[
        ("DEBEZIUM_SOURCE_DATABASE_HOSTNAME", "db"),
        ("debezium_sink_type", "pravega"),
        ("_PROD_DEBEZIUM_SOURCE_SLOT_NAME", "s"),
        ("DEBEZIUM_SOURCE_SNAPSHOT_SELECT_STATEMENT_OVERRIDES_PUBLIC_MY__TABLE", "SELECT 1"),
        ("DEBEZIUM_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("DEBEZIUM_SOURCE_DATABASE_TCPKEEPALIVE", "false"),
        ("HOME", "/root"),
    ]);
    let file = b"debezium.source.database.tcpKeepAlive=true\n%dev.debezium.sink.pravega.scope=x\n";
    let properties = Properties::parse(file, &environment).unwrap();
    let found: Vec<_> =
        properties.iter().map(|(key, property)| (key, property.value.as_deref().unwrap())).collect();
    assert_eq!(
        found,
        [
            ("debezium.sink.type", "pravega"),
            ("debezium.source.database.hostname", "db"),
            ("debezium.source.database.tcpKeepAlive", "false"),
            ("debezium.source.slot.name", "s"),
            ("debezium.source.snapshot.select.statement.overrides.public.my_table", "SELECT 1"),
        ]
    );
}

#[test]
fn errors_name_the_line_and_the_key() {
    for (text, expected) in [
        (&b"a=b\n# \xff is skipped\nc=\xff"[..], "line 3: it is not UTF-8"),
        (b"a=1\n\nb=x\\\n  \\u12", "line 3: \\u needs four"),
        (b"a=\\uD83Dx", "line 1: \\u with half"),
    ] {
        let error = Properties::parse(text, &BTreeMap::new()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let bytes = vec![b'a'; MAX_FILE_BYTES + 1];
    assert_eq!(Properties::parse(&bytes, &BTreeMap::new()).unwrap_err(), PropertiesError::TooLarge);
    let lines: String = (0..=MAX_PAIRS).map(|number| format!("{number}\n")).collect();
    let error = Properties::parse(lines.as_bytes(), &BTreeMap::new()).unwrap_err();
    assert_eq!(error, PropertiesError::TooManyPairs);
}

#[test]
fn expressions_are_bounded() {
    let value = |file: &str| {
        Properties::parse(file.as_bytes(), &BTreeMap::new()).unwrap().iter().next().unwrap().1.value.clone()
    };
    assert_eq!(value("a=${nobody}"), Err(ExpressionError::Unset("nobody".into())));
    assert_eq!(value("a=${b}\nb=${a}"), Err(ExpressionError::TooDeep));
    assert_eq!(value(&format!("a={}", "${".repeat(10_000))), Err(ExpressionError::TooDeep));
    assert_eq!(value(&format!("a={}", "${x:".repeat(10_000))), Err(ExpressionError::TooDeep));
    assert_eq!(
        value("a=${aes-gcm-nopadding::x}"),
        Err(ExpressionError::SecretHandler("aes-gcm-nopadding".into()))
    );
    // each key doubles the text, or the work on an empty one
    for last in ["0123456789", ""] {
        let mut file = String::new();
        for number in 0..30 {
            file += &format!("a{number:02}=${{a{next:02}}}${{a{next:02}}}\n", next = number + 1);
        }
        assert_eq!(value(&format!("{file}a30={last}\n")), Err(ExpressionError::TooLong));
    }
    let long = format!("a=${{b}}\nb={}", "x".repeat(MAX_VALUE_BYTES + 1));
    assert_eq!(value(&long), Err(ExpressionError::TooLong));
}

#[test]
fn all_values_together_are_bounded() {
    let mut file = format!("a={}\n", "x".repeat(MAX_VALUE_BYTES));
    for number in 0..1000 {
        file += &format!("b{number:03}=${{a}}\n");
    }
    let properties = Properties::parse(file.as_bytes(), &BTreeMap::new()).unwrap();
    let values: Vec<_> = properties.iter().map(|(_, property)| &property.value).collect();
    // sixteen in a mebibyte, the one that is written among them
    assert_eq!(values.iter().filter(|value| value.is_ok()).count(), 16 * 16);
    assert_eq!(values.last(), Some(&&Err(ExpressionError::TooLong)));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_rejected(bytes: Vec<u8>) {
        let _ = Properties::parse(&bytes, &BTreeMap::new());
    }

    #[test]
    fn any_text_is_read_or_rejected(text in "([ab.%${}:=\\\\#\n\r \t]|u00|::|\\PC){0,60}", variable: String) {
        let environment = BTreeMap::from([("A_B".to_owned(), variable), ("QUARKUS_PROFILE".to_owned(), "a,b".to_owned())]);
        if let Ok(properties) = Properties::parse(text.as_bytes(), &environment) {
            for (_, property) in properties.iter() {
                prop_assert!(property.value.as_ref().map_or(0, String::len) <= MAX_VALUE_BYTES);
            }
        }
    }

    #[test]
    fn written_pairs_are_read_again(pairs in prop::collection::btree_map("[a-z.%=:# é]{1,8}", "\\PC{0,12}", 0..8)) {
        let pairs: BTreeMap<String, String> = pairs.into_iter().filter(|(key, _)| !key.starts_with('%')).map(|(key, value)| (key, value.replace('$', ""))).collect();
        let mut file = String::new();
        for (key, value) in &pairs {
            let mut line = String::new();
            for (text, end) in [(key, '='), (value, '\n')] {
                for unit in text.encode_utf16() {
                    line += &format!("\\u{unit:04x}");
                }
                line.push(end);
            }
            file += &line;
        }
        let properties = Properties::parse(file.as_bytes(), &BTreeMap::new()).unwrap();
        let read: BTreeMap<String, String> =
            properties.iter().map(|(key, property)| (key.to_owned(), property.value.clone().unwrap())).collect();
        prop_assert_eq!(read, pairs);
    }
}
