//! `kulya registry check` and `diff`: compatibility and differences of schemas, in files alone, for builds
//! without a registry, or in a group of one.

use super::connection::RegistryTarget;
use super::report::{self, CheckResult, Outcome};
use super::schema_files::{self, Selection};
use super::schemas::read_referring;
use super::verdict::{judge, require_policy};
use super::versions::versions_by_id;
use super::{against, display};
use crate::args::registry::{CheckArgs, DiffArgs, OutputFormat, SchemaReadArgs};
use crate::output::print_json;
use anyhow::{Context, Result, bail};
use kulya_registry_api::administration::{CheckOptions, Comparison, Verdict};
use kulya_schema::{
    Budget, CanonicalSchema, Checkers, GroupId, Rules, VersionInfo, canonicalize, compatibility, difference,
};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Checks schemas, prints the result, and returns the exit code: 1 if one is incompatible.
///
/// # Errors
/// Files that cannot be read, schemas that do not parse, and what the registry reports.
pub(super) async fn check(target: RegistryTarget, args: CheckArgs, as_json: bool) -> Result<ExitCode> {
    let format = if as_json { OutputFormat::Json } else { args.output_format };
    if let Some(revision) = &args.against {
        require_policy(&args)?;
        let results = against::check(&args, revision)?;
        let revision = format!("git:{revision}");
        return report::print(&results, format, &|_| revision.clone());
    }
    let Selection { files, left_out } = schema_files::expand(&args.files, &args.read)?;
    for (path, reason) in left_out {
        eprintln!("kulya: {} is not a schema: {}", path.display(), display::escape(&reason));
    }
    match args.group.id() {
        Some(group) => check_in_group(target, &group, &files, args, format).await,
        None => check_files(&files, &args, format),
    }
}

/// Reads and parses a file's schema.
fn parse_file(path: &Path, args: &SchemaReadArgs) -> Result<CanonicalSchema> {
    canonicalize(schema_files::read(path, args)?).with_context(|| path.display().to_string())
}

fn check_files(paths: &[PathBuf], args: &CheckArgs, format: OutputFormat) -> Result<ExitCode> {
    if !args.references.references.is_empty() {
        bail!("--reference needs --group: references lead to schemas of a registry")
    }
    let parsed = paths.iter().map(|path| parse_file(path, &args.read)).collect::<Result<Vec<_>>>()?;
    let Some((new, old)) = parsed.split_last() else { bail!("give the schemas in order, the new one last") };
    let (verdict, context) = judge(new, old, args)?;
    let name = |version: &VersionInfo| {
        paths.get(version.id as usize).map_or_else(String::new, |p| schema_files::file_name(p))
    };
    let (new, old) = paths.split_last().context("give the schemas in order, the new one last")?;
    let old: Vec<String> = old.iter().map(|path| schema_files::file_name(path)).collect();
    let compatible = match old.as_slice() {
        [] => "the first schema".to_owned(),
        old => format!("compatible with {}", old.join(", ")),
    };
    let (policy, rules) = (context.compatibility.policy(), context.rules.name());
    let compatible = format!("{compatible} (policy {policy}, {rules} rules)");
    report::print_single(check_result(new, verdict, compatible), format, &name)
}

fn check_result(path: &Path, verdict: Verdict, compatible: String) -> CheckResult {
    let text = std::fs::read(path).ok().and_then(|data| String::from_utf8(data).ok()).unwrap_or_default();
    let (name, path) = (schema_files::file_name(path), path.display().to_string());
    CheckResult { path, name, text, outcome: Outcome::Checked(Box::new(verdict), compatible) }
}

async fn check_in_group(
    target: RegistryTarget,
    group: &GroupId,
    paths: &[PathBuf],
    args: CheckArgs,
    format: OutputFormat,
) -> Result<ExitCode> {
    let [path] = paths else { bail!("with --group give one schema: the group has the others") };
    let rules = args.rules.rules()?;
    let connection = target.open(false).await?;
    let references = args.references.references;
    let schema = read_referring(&*connection.registry, path, &args.read, &references).await?;
    let known = versions_by_id(&*connection.registry, group, &args.policy.ids()).await?;
    let compatibility = args.policy.compatibility(|id| known.get(&id).cloned())?;
    let options = CheckOptions { compatibility, rules, references };
    let verdict = connection.registry.check(group, schema, options).await?;
    connection.close().await?;
    let compatible = format!("compatible with group {group}");
    report::print_single(check_result(path, verdict, compatible), format, &display::version)
}

/// Prints what changed between two schemas, and which of them can read the other's events.
///
/// # Errors
/// As [`check`].
pub(super) async fn diff(target: RegistryTarget, args: DiffArgs, as_json: bool) -> Result<()> {
    let (from, to, compared) = match args.group.id() {
        Some(group) => {
            let id = |text: &str| {
                text.parse().with_context(|| format!("{text:?} is no schema id, which --group needs"))
            };
            let (from, to): (u32, u32) = (id(&args.from)?, id(&args.to)?);
            let connection = target.open(false).await?;
            let compared = connection.registry.compare(&group, from, to).await?;
            connection.close().await?;
            (format!("schema {from}"), format!("schema {to}"), compared)
        }
        None => {
            let (from, to) = (Path::new(&args.from), Path::new(&args.to));
            let (old, new) = (parse_file(from, &args.read)?.schema, parse_file(to, &args.read)?.schema);
            let fields = difference(&old, &new)?;
            let (backward, forward) = {
                let (rules, checkers) = (Rules::strict(), Checkers::default());
                compatibility::compare_both_directions(&new, &old, rules, &checkers, &Budget::default())
            };
            let compared = Comparison { from: old, to: new, fields, backward, forward };
            (schema_files::file_name(from), schema_files::file_name(to), compared)
        }
    };
    if as_json {
        return print_json(&compared);
    }
    display::print_comparison(&from, &to, &compared);
    Ok(())
}
