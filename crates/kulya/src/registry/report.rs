//! The results of `kulya registry check` in the formats that build systems read: text, JSON, JUnit XML, and
//! the workflow commands of GitHub Actions.

use super::display::{self, VersionNames};
use super::source_lines::line_of;
use crate::args::registry::OutputFormat;
use crate::output::{print_json, print_line};
use anyhow::Result;
use kulya_registry_api::administration::Verdict;
use kulya_schema::VersionInfo;
use kulya_schema::compatibility::{Reason, Refusal};
use serde::Serialize;
use std::process::ExitCode;

/// The result of the check of one schema.
pub(super) struct CheckResult {
    /// The file's path, as it was given.
    pub(super) path: String,
    /// What messages call the schema: the name of the file, and its message if the file has several.
    pub(super) name: String,
    /// The schema's text, in which lines are looked up; empty for a binary file.
    pub(super) text: String,
    pub(super) outcome: Outcome,
}

pub(super) enum Outcome {
    /// It was compared; the text says with what it is compatible.
    Checked(Box<Verdict>, String),
    /// There is nothing to compare it with, for this reason.
    NotCompared(String),
    /// It is no schema, for this reason.
    NotASchema(String),
    /// It cannot be checked.
    Error(String),
}

/// A result as a line of JSON.
#[derive(Serialize)]
struct ResultJson<'a> {
    file: &'a str,
    schema: &'a str,
    status: &'static str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    verdict: Option<&'a Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

/// Prints results and returns the exit code: 0 if all schemas are compatible, 1 if one is not, 2 after an
/// error.
pub(super) fn print(
    results: &[CheckResult],
    format: OutputFormat,
    names: VersionNames<'_>,
) -> Result<ExitCode> {
    match format {
        OutputFormat::Text => results.iter().for_each(|result| print_text(result, names)),
        OutputFormat::Json => results.iter().try_for_each(print_result_json)?,
        OutputFormat::Junit => print_line!("{}", junit(results, names)),
        OutputFormat::Github => results.iter().for_each(|result| print_annotations(result, names)),
    }
    Ok(exit_code(results))
}

/// Prints the verdict of a check of one schema against others that were given with it; as JSON only the
/// verdict.
pub(super) fn print_single(
    result: CheckResult,
    format: OutputFormat,
    names: VersionNames<'_>,
) -> Result<ExitCode> {
    if let (OutputFormat::Json, Outcome::Checked(verdict, _)) = (format, &result.outcome) {
        print_json(verdict)?;
        return Ok(exit_code(&[result]));
    }
    print(&[result], format, names)
}

fn exit_code(results: &[CheckResult]) -> ExitCode {
    let code = |result: &CheckResult| match &result.outcome {
        Outcome::Error(_) => 2,
        Outcome::Checked(verdict, _) if !verdict.compatible => 1,
        _ => 0,
    };
    ExitCode::from(results.iter().map(code).max().unwrap_or_default())
}

fn print_text(result: &CheckResult, names: VersionNames<'_>) {
    let name = display::escape(&result.name);
    match &result.outcome {
        Outcome::Checked(verdict, compatible) => {
            print_line!("{}", verdict_text(&name, verdict, compatible, names));
            verdict.warnings.iter().for_each(|warning| print_line!("warning: {warning}"));
        }
        Outcome::NotCompared(reason) => print_line!("{name} is not compared: {reason}"),
        Outcome::NotASchema(reason) => print_line!("{name} is not a schema: {}", display::escape(reason)),
        Outcome::Error(error) => print_line!("{name} cannot be checked: {}", display::escape(error)),
    }
}

fn verdict_text(name: &str, verdict: &Verdict, compatible: &str, names: VersionNames<'_>) -> String {
    match (&verdict.registered, &verdict.refusal) {
        (Some(version), _) => format!("{name} is already registered: {}", names(version)),
        (None, Some(refusal)) => display::refusal(name, refusal, names),
        (None, None) => format!("{name} is {compatible}"),
    }
}

fn print_result_json(result: &CheckResult) -> Result<()> {
    let (status, verdict, message) = match &result.outcome {
        Outcome::Checked(verdict, _) if verdict.compatible => ("compatible", Some(&**verdict), None),
        Outcome::Checked(verdict, _) => ("incompatible", Some(&**verdict), None),
        Outcome::NotCompared(reason) => ("not-compared", None, Some(reason.as_str())),
        Outcome::NotASchema(reason) => ("not-a-schema", None, Some(reason.as_str())),
        Outcome::Error(error) => ("error", None, Some(error.as_str())),
    };
    print_json(&ResultJson { file: &result.path, schema: &result.name, status, verdict, message })
}

/// Returns the refusal of a result.
fn refusal(result: &CheckResult) -> Option<&Refusal> {
    match &result.outcome {
        Outcome::Checked(verdict, _) if !verdict.compatible => verdict.refusal.as_ref(),
        _ => None,
    }
}

/// Returns a JUnit report: one test case for each schema.
fn junit(results: &[CheckResult], names: VersionNames<'_>) -> String {
    let count = |is: &dyn Fn(&CheckResult) -> bool| results.iter().filter(|result| is(result)).count();
    let failures = count(&|result| refusal(result).is_some());
    let errors = count(&|result| matches!(result.outcome, Outcome::Error(_)));
    let skipped = count(&|result| matches!(result.outcome, Outcome::NotCompared(_) | Outcome::NotASchema(_)));
    let counts = format!("tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\"", results.len());
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n  \
         <testsuite name=\"kulya registry check\" {counts} skipped=\"{skipped}\">\n"
    );
    for result in results {
        let (name, file) = (xml_text(&result.name), xml_text(&result.path));
        xml += &format!("    <testcase classname=\"{file}\" name=\"{name}\" file=\"{file}\"");
        let child = match &result.outcome {
            Outcome::Checked(verdict, _) => {
                verdict.refusal.as_ref().filter(|_| !verdict.compatible).map(|refusal| {
                    let message =
                        refusal.reasons.first().map(|reason| summary(reason, names)).unwrap_or_default();
                    let rule = refusal.reasons.first().map_or("schema/refused", rule);
                    let text = display::refusal(&result.name, refusal, names);
                    let (message, text) = (xml_text(&message), xml_text(&text));
                    format!("<failure message=\"{message}\" type=\"{}\">{text}</failure>", xml_text(rule))
                })
            }
            Outcome::NotCompared(reason) | Outcome::NotASchema(reason) => {
                Some(format!("<skipped message=\"{}\"/>", xml_text(reason)))
            }
            Outcome::Error(error) => Some(format!("<error message=\"{}\"/>", xml_text(error))),
        };
        xml +=
            &child.map_or_else(|| "/>\n".to_owned(), |child| format!(">\n      {child}\n    </testcase>\n"));
    }
    xml + "  </testsuite>\n</testsuites>"
}

/// Escapes a text for an element or an attribute; characters that XML does not have are replaced.
fn xml_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\n' => out += "&#10;",
            '\t' => out.push('\t'),
            character if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') => {
                out.push('\u{fffd}');
            }
            character => out.push(character),
        }
    }
    out
}

/// Prints a workflow command for each reason, which annotates the line that it is about.
fn print_annotations(result: &CheckResult, names: VersionNames<'_>) {
    let path = command_property(&result.path);
    match &result.outcome {
        Outcome::Error(error) => print_line!("::error file={path},line=1::{}", command_message(error)),
        Outcome::NotASchema(reason) => {
            print_line!("::notice file={path}::{}", command_message(&format!("not a schema: {reason}")));
        }
        Outcome::Checked(..) | Outcome::NotCompared(_) => {}
    }
    for reason in refusal(result).into_iter().flat_map(|refusal| &refusal.reasons) {
        let line = line_of(&result.text, own_path(reason));
        let title = command_property(rule(reason));
        let message = command_message(&format!("{}: {}", result.name, summary(reason, names)));
        print_line!("::error file={path},line={line},title={title}::{message}");
    }
}

/// Returns the path in the checked schema that a reason is about.
fn own_path(reason: &Reason) -> &str {
    let Some(why) = reason.incompatibility() else { return "" };
    match reason {
        Reason::CannotBeRead { .. } => &why.writer_path,
        _ => &why.reader_path,
    }
}

fn rule(reason: &Reason) -> &str {
    reason.incompatibility().map_or("schema/refused", |why| &why.rule)
}

/// Formats a reason as one line.
fn summary(reason: &Reason, names: &dyn Fn(&VersionInfo) -> String) -> String {
    let headline = display::headline(reason, names);
    let Some(why) = reason.incompatibility() else { return headline };
    let fix = if why.fix.is_empty() { String::new() } else { format!("; fix: {}", why.fix) };
    let path = own_path(reason);
    let at = if path.is_empty() { String::new() } else { format!("{path}: ") };
    format!("{headline}: {at}{}{fix}", why.message)
}

fn command_message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn command_property(text: &str) -> String {
    command_message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        assert_eq!(xml_text("a<b>&\"\u{1}\n"), "a&lt;b&gt;&amp;&quot;\u{fffd}&#10;");
        assert_eq!(command_property("a,b:c%\n"), "a%2Cb%3Ac%25%0A");
        assert_eq!(command_message("a,b:c%\r\n"), "a,b:c%25%0D%0A");
    }
}
