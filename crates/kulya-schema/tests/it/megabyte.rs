//! The cost of schemas of a megabyte: each family of [`families`](crate::families) at that size is parsed and
//! checked against another of the family in a process of its own, whose CPU time and peak memory are printed
//! as the rows of a table. The figures are no test: an optimized build on a quiet machine gives those of the
//! docs.

use crate::families::{AVRO, Family, JSON, PROTOBUF, check};
use crate::source_families::SOURCES;
use kulya_schema::compatibility::Reason;
use kulya_schema::protobuf::MAX_SOURCE_BYTES;
use kulya_schema::{Budget, Compatibility, Format, SchemaInfo, canonicalize_with_budget};
use std::process::Command;

const BYTES: usize = 1 << 20;
/// Larger sources are refused by their size alone.
const SOURCE_BYTES: usize = MAX_SOURCE_BYTES - 1_000;
/// Selects the family in the process that measures it.
const SHAPE: &str = "KULYA_SHAPE";

/// The name of a family, the function that builds a member, and the size of its largest member in the tests.
type Shape = (String, Build, usize);
type Build = Box<dyn Fn(usize, &str) -> SchemaInfo>;

fn families() -> Vec<Shape> {
    fn of<T: Into<Vec<u8>> + 'static>(
        format: &Format,
        kind: &'static str,
        families: &'static [Family<T>],
    ) -> Vec<Shape> {
        let family = |(name, size, member): &'static Family<T>| {
            let format = format.clone();
            let build = move |n: usize, v: &str| {
                let v = if format == Format::Json && v == "int" { "integer" } else { v };
                SchemaInfo::new("", format.clone(), member(n, v))
            };
            (format!("{kind}: {name}"), Box::new(build) as Build, *size)
        };
        families.iter().map(family).collect()
    }
    let mut all = of(&Format::Avro, "Avro", AVRO);
    all.extend(of(&Format::Json, "JSON Schema", JSON));
    all.extend(of(&Format::Protobuf, "descriptor set", PROTOBUF));
    all.extend(of(&Format::Protobuf, ".proto", SOURCES));
    all
}

/// Returns the largest member of a family that has at most a megabyte; members of a tree or of nested types
/// grow to their limit.
fn size_of_megabyte(build: &dyn Fn(usize, &str) -> SchemaInfo, size: usize, is_source: bool) -> usize {
    let bytes = if is_source { SOURCE_BYTES } else { BYTES };
    let fits = |n: usize| build(n, "string").data.len() <= bytes;
    let (mut low, mut high) = (1, 2);
    while fits(high) && high < 200 * size {
        (low, high) = (high, 2 * high);
    }
    while high - low > low.div_ceil(50) {
        let middle = usize::midpoint(low, high);
        if fits(middle) { low = middle } else { high = middle }
    }
    low
}

fn is_certain(reason: &Reason) -> bool {
    reason.incompatibility().is_none_or(|incompatibility| incompatibility.certain)
}

/// Parses two schemas, and checks the newer against the older, as one request does.
fn judge(old: SchemaInfo, new: SchemaInfo) -> String {
    let budget = Budget::default();
    let refused = |error: &kulya_schema::Error| {
        let reason = error.to_string();
        let reason = reason.strip_prefix("Unable to parse schema. ").unwrap_or(&reason);
        format!("refused: {}", reason.chars().take(120).collect::<String>())
    };
    let (old, new) = match (canonicalize_with_budget(old, &budget), canonicalize_with_budget(new, &budget)) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(error), _) | (_, Err(error)) => return refused(&error),
    };
    match check(Compatibility::Full, old.schema, &new) {
        Ok(Ok(())) => "compatible".to_owned(),
        Ok(Err(refusal)) if refusal.reasons.iter().any(is_certain) => "incompatible".to_owned(),
        Ok(Err(_)) => "cannot be told".to_owned(),
        Err(error) => refused(&error),
    }
}

/// Returns the CPU time of this process in seconds, and its peak memory in megabytes.
fn process_cost() -> (f64, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // behind the name in brackets: fields 14 and 15 in hundredths of a second
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: f64 = fields[11..13].iter().map(|field| field.parse::<f64>().unwrap()).sum();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    (ticks / 100.0, peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_000)
}

#[test]
#[ignore = "prints figures: cargo test --release -p kulya-schema --test it megabyte -- --ignored --nocapture"]
fn the_cost_of_a_megabyte_of_each_shape() {
    if let Ok(wanted) = std::env::var(SHAPE) {
        let (name, build, size) = families().into_iter().find(|(name, ..)| *name == wanted).unwrap();
        let n = size_of_megabyte(&*build, size, name.starts_with(".proto"));
        let (old, new) = (build(n, "int"), build(n, "string"));
        let (bytes, before) = (new.data.len(), process_cost().0);
        let verdict = judge(old, new);
        let (cpu, peak) = process_cost();
        println!("\n| {name} | {n} | {} kB | {:.2} s | {peak} MB | {verdict} |", bytes / 1_000, cpu - before);
        return;
    }
    for (name, ..) in families() {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "megabyte::the_cost_of_a_megabyte_of_each_shape", "--ignored", "--nocapture"])
            .env(SHAPE, &name)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let row = text.lines().find(|line| line.starts_with('|')).map(str::to_owned);
        assert!(output.status.success(), "{name}: {text}{}", String::from_utf8_lossy(&output.stderr));
        println!("{}", row.unwrap());
    }
}
