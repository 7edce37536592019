//! `kulya registry check` and `diff`: compatibility and differences of schemas, in files alone, for builds
//! without a registry, or in a group of one.

use super::connection::RegistryTarget;
use super::versions::versions_by_id;
use super::{display, schema_files};
use crate::args::registry::{CheckArgs, DiffArgs, SchemaReadArgs};
use crate::output::{print_json, print_line};
use anyhow::{Context, Result, bail};
use kulya_registry_api::administration::{Comparison, Question, Verdict};
use kulya_schema::decide::{self, Judge};
use kulya_schema::{
    Budget, Checkers, Compatibility, GroupId, GroupProperties, Normal, Rules, SchemaWithVersion, VersionInfo,
    difference, limits, normalize,
};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Returns whether the schema is compatible, and prints every reason why not.
///
/// # Errors
/// Files that cannot be read, schemas that do not parse, and what the registry reports.
pub(super) async fn check(target: RegistryTarget, args: CheckArgs, as_json: bool) -> Result<bool> {
    let files = schema_files::expand(&args.files, &args.read)?;
    match args.group.id() {
        Some(group) => check_in_group(target, &group, &files, args, as_json).await,
        None => check_files(&files, &args, as_json),
    }
}

/// Reads and parses a file's schema.
fn parse_file(path: &Path, args: &SchemaReadArgs) -> Result<Normal> {
    normalize(schema_files::read(path, args)?).with_context(|| path.display().to_string())
}

fn check_files(paths: &[PathBuf], args: &CheckArgs, as_json: bool) -> Result<bool> {
    let mut counts: HashMap<(String, String), u32> = HashMap::new();
    let mut versions: Vec<(VersionInfo, Normal)> = Vec::new();
    for (id, path) in (0..).zip(paths) {
        let parsed = parse_file(path, &args.read)?;
        let (type_name, format) =
            (parsed.schema.type_name.clone(), parsed.schema.format.full_name().to_owned());
        let count = counts.entry((format.clone(), type_name.clone())).or_default();
        let version = VersionInfo { type_name, format, version: *count, id };
        *count += 1;
        versions.push((version, parsed));
    }
    let Some((_, new)) = versions.pop() else { bail!("give the schemas in order, the new one last") };
    let version = |id: u32| versions.get(id as usize).map(|(version, _)| version.clone());
    let compatibility = args
        .policy
        .compatibility(version)?
        .context("no compatibility policy: give --policy, such as BackwardTransitive")?;
    let context = compatibility_context(&new, compatibility, args.rules.rules()?.unwrap_or_default())?;
    let is_same = |old: &&(VersionInfo, Normal)| {
        old.1.fingerprint == new.fingerprint
            && old.1.schema.type_name == new.schema.type_name
            && old.1.schema.format.same_kind(&new.schema.format)
    };
    let registered = versions.iter().find(is_same).map(|(version, _)| version.clone());
    let existing: Vec<SchemaWithVersion> = versions
        .into_iter()
        .map(|(version, parsed)| SchemaWithVersion { schema: parsed.schema, version })
        .collect();
    let refusal = decide::check(&context, &new, &existing)?.err();
    let verdict = Verdict { compatible: registered.is_some() || refusal.is_none(), registered, refusal };
    let name = |version: &VersionInfo| {
        paths.get(version.id as usize).map_or_else(String::new, |p| schema_files::file_name(p))
    };
    let (new, old) = paths.split_last().context("give the schemas in order, the new one last")?;
    let old: Vec<String> = old.iter().map(|path| schema_files::file_name(path)).collect();
    let result = match old.as_slice() {
        [] => "the first schema".to_owned(),
        old => format!("compatible with {}", old.join(", ")),
    };
    let (policy, rules) = (context.compatibility.policy(), context.rules.name());
    let result = format!("{result} (policy {policy}, {rules} rules)");
    print_verdict(&verdict, &schema_files::file_name(new), &result, &name, as_json)
}

/// Builds the context of a compatibility check, as of a group with these properties.
///
/// # Errors
/// A combination of policy, format and rules that no group may have.
fn compatibility_context(new: &Normal, compatibility: Compatibility, rules: Rules) -> Result<Judge> {
    let checkers = Checkers::default();
    let mut group = GroupProperties::new(new.schema.format.clone(), compatibility, false);
    group.properties = rules.labels();
    if limits::check_properties(&group, &checkers).is_err() {
        let (policy, format) = (group.compatibility.policy(), &group.format);
        bail!(
            "policy {policy} has no effect on {format} schemas with {} rules: give --rules strict",
            rules.name()
        );
    }
    Ok(Judge::of(&group, &checkers)?)
}

async fn check_in_group(
    target: RegistryTarget,
    group: &GroupId,
    paths: &[PathBuf],
    args: CheckArgs,
    as_json: bool,
) -> Result<bool> {
    let [path] = paths else { bail!("with --group give one schema: the group has the others") };
    let schema = schema_files::read(path, &args.read)?;
    let rules = args.rules.rules()?;
    let connection = target.open(false).await?;
    let known = versions_by_id(&*connection.registry, group, &args.policy.ids()).await?;
    let compatibility = args.policy.compatibility(|id| known.get(&id).cloned())?;
    let verdict = connection.registry.check(group, schema, Question { compatibility, rules }).await?;
    connection.close().await?;
    let result = format!("compatible with group {group}");
    print_verdict(&verdict, &schema_files::file_name(path), &result, &display::version, as_json)
}

/// Prints the result of a check of the schema `new`, which is `result` if it may be added; returns whether it may.
fn print_verdict(
    verdict: &Verdict,
    new: &str,
    result: &str,
    names: display::VersionNames<'_>,
    as_json: bool,
) -> Result<bool> {
    match (&verdict.registered, &verdict.refusal) {
        _ if as_json => print_json(verdict)?,
        (Some(version), _) => print_line!("{new} is already registered: {}", names(version)),
        (None, Some(refusal)) => display::print_refusal(new, refusal, names),
        (None, None) => print_line!("{new} is {result}"),
    }
    Ok(verdict.compatible)
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
                decide::both_ways(&new, &old, rules, &checkers, &Budget::default())
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
