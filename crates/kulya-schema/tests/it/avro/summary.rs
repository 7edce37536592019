//! The verdicts of record summaries agree with full resolution.

use kulya_testkit::SeededRng;
use kulya_schema::avro::{RecordSummary, ResolutionMode, Schema, parse, resolve};

/// Types without promotions between them, and a default for each.
const TYPES: [(&str, &str); 7] = [
    (r#""null""#, "null"),
    (r#""boolean""#, "true"),
    (r#""int""#, "1"),
    (r#""string""#, r#""""#),
    (r#"["null","int"]"#, "null"),
    (r#"["int","string","null"]"#, "1"),
    (r#"["boolean"]"#, "false"),
];
const PROMOTED: [(&str, &str); 4] =
    [(r#""long""#, "1"), (r#""double""#, "1"), (r#""bytes""#, r#""""#), (r#"["long","null"]"#, "1")];

fn record(rng: &mut SeededRng, types: &[(&str, &str)]) -> Schema {
    let mut fields = Vec::new();
    for (name, usual) in ["a", "b", "c"].into_iter().zip(types) {
        let (kind, default) = if rng.one_in(4) { rng.pick(types) } else { *usual };
        let default = if rng.one_in(3) { String::new() } else { format!(r#","default":{default}"#) };
        if !rng.one_in(4) {
            fields.push(format!(r#"{{"name":"{name}","type":{kind}{default}}}"#));
        }
    }
    if rng.one_in(2) {
        fields.reverse();
    }
    let name = rng.pick(&["R", "R", "R", "n.R", "S"]);
    parse(&format!(r#"{{"type":"record","name":"{name}","fields":[{}]}}"#, fields.join(","))).unwrap()
}

#[test]
fn summaries_agree_with_resolution() {
    let mut rng = SeededRng::new(1);
    let all = [&TYPES[..], &PROMOTED].concat();
    let (mut yes, mut no, mut promoted) = (0, 0, 0);
    for round in 0..20_000 {
        let types = if round % 2 == 0 { &TYPES[..] } else { &all };
        let (reader, writer) = (record(&mut rng, types), record(&mut rng, types));
        let by =
            rng.pick(&[ResolutionMode::Java, ResolutionMode::Specification, ResolutionMode::AnyRecordName]);
        let (read, written) = (RecordSummary::of(&reader).unwrap(), RecordSummary::of(&writer).unwrap());
        let (is_certain, reasons) = (read.certainly_reads(&written, by), resolve(&reader, &writer, by));
        let pair = || format!("{} reads {}: {reasons:?}", reader.canonical_form(), writer.canonical_form());
        match (is_certain, reasons.is_empty()) {
            (true, true) => yes += 1,
            (false, false) => no += 1,
            (false, true) if round % 2 == 1 => promoted += 1,
            _ => panic!("{by:?}, {is_certain}: {}", pair()),
        }
    }
    assert!(yes > 2_000 && no > 2_000 && promoted > 20, "{yes} {no} {promoted}");
}
