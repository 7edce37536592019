//! `kulya registry check` and `diff`: on files alone, for builds that have no registry at hand, or against one.

use super::args::{CheckArgs, DiffArgs};
use super::{At, files, json, shown};
use crate::say;
use anyhow::{Context, Result, bail};
use kulya_registry_api::administration::{
    Comparison, PageRequest, Question, RegistryAdministration, Verdict,
};
use kulya_schema::decide::{self, Judge};
use kulya_schema::{
    Budget, Checkers, Compatibility, GroupId, GroupProperties, Normal, Rules, SchemaWithVersion, VersionInfo,
    difference, limits, normalize,
};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Whether the schema may follow.
pub(crate) async fn check(at: At, args: CheckArgs, as_json: bool) -> Result<bool> {
    let files = files::in_order(&args.files, &args.read)?;
    match args.group.id() {
        Some(group) => in_group(at, &group, &files, args, as_json).await,
        None => of_files(&files, &args, as_json),
    }
}

/// A file's schema, parsed.
fn normal(path: &Path, args: &super::args::ReadArgs) -> Result<Normal> {
    normalize(files::read(path, args)?).with_context(|| path.display().to_string())
}

fn of_files(paths: &[PathBuf], args: &CheckArgs, as_json: bool) -> Result<bool> {
    let mut counts: HashMap<(String, String), u32> = HashMap::new();
    let mut versions: Vec<(VersionInfo, Normal)> = Vec::new();
    for (id, path) in (0..).zip(paths) {
        let normal = normal(path, &args.read)?;
        let (type_name, format) =
            (normal.schema.type_name.clone(), normal.schema.format.full_name().to_owned());
        let count = counts.entry((format.clone(), type_name.clone())).or_default();
        let version = VersionInfo { type_name, format, version: *count, id };
        *count += 1;
        versions.push((version, normal));
    }
    let Some((_, new)) = versions.pop() else { bail!("name the schemas in order, the new one last") };
    let version = |id: u32| versions.get(id as usize).map(|(version, _)| version.clone());
    let compatibility = args
        .policy
        .compatibility(version)?
        .context("say by --policy when a schema may follow others, as BackwardTransitive")?;
    let judge = judge(&new, compatibility, args.rules.rules()?.unwrap_or_default())?;
    let is_new = |old: &&(VersionInfo, Normal)| {
        old.1.fingerprint == new.fingerprint
            && old.1.schema.type_name == new.schema.type_name
            && old.1.schema.format.same_kind(&new.schema.format)
    };
    let registered = versions.iter().find(is_new).map(|(version, _)| version.clone());
    let live: Vec<SchemaWithVersion> = versions
        .into_iter()
        .map(|(version, normal)| SchemaWithVersion { schema: normal.schema, version })
        .collect();
    let refusal = decide::check(&judge, &new, &live)?.err();
    let verdict = Verdict { compatible: registered.is_some() || refusal.is_none(), registered, refusal };
    let name =
        |version: &VersionInfo| paths.get(version.id as usize).map_or_else(String::new, |p| files::name(p));
    let (new, old) = paths.split_last().context("name the schemas in order, the new one last")?;
    let old: Vec<String> = old.iter().map(|path| files::name(path)).collect();
    let follows =
        if old.is_empty() { "be the first".to_owned() } else { format!("follow {}", old.join(", ")) };
    let by = format!("{follows} (policy {}, {} rules)", judge.compatibility.policy(), judge.rules.name());
    tell(&verdict, &files::name(new), &by, &name, as_json)
}

/// The judge of a group of such schemas, as a registry would let it be made.
fn judge(new: &Normal, compatibility: Compatibility, rules: Rules) -> Result<Judge> {
    let checkers = Checkers::default();
    let mut group = GroupProperties::new(new.schema.format.clone(), compatibility, false);
    group.properties = rules.labels();
    if limits::check_properties(&group, &checkers).is_err() {
        let (policy, format) = (group.compatibility.policy(), &group.format);
        bail!(
            "policy {policy} asks nothing of {format} schemas by {} rules: give --rules strict",
            rules.name()
        );
    }
    Ok(Judge::of(&group, &checkers)?)
}

async fn in_group(
    at: At,
    group: &GroupId,
    paths: &[PathBuf],
    args: CheckArgs,
    as_json: bool,
) -> Result<bool> {
    let [path] = paths else { bail!("with --group name one schema: the group has the others") };
    let schema = files::read(path, &args.read)?;
    let rules = args.rules.rules()?;
    let opened = at.open(false).await?;
    let known = versions(&*opened.registry, group, &args.policy.ids()).await?;
    let compatibility = args.policy.compatibility(|id| known.get(&id).cloned())?;
    let verdict = opened.registry.check(group, schema, Question { compatibility, rules }).await?;
    opened.close().await?;
    let may = format!("be added to group {group}");
    tell(&verdict, &files::name(path), &may, &shown::version, as_json)
}

/// A group's versions by these ids, as far as there are such.
pub(crate) async fn versions(
    registry: &dyn RegistryAdministration,
    group: &GroupId,
    ids: &[u32],
) -> Result<HashMap<u32, VersionInfo>> {
    let mut known = HashMap::new();
    for id in ids {
        let behind = id.checked_sub(1).map_or_else(String::new, |id| id.to_string());
        let page = registry.versions_page(group, None, &PageRequest::after(behind, 1)).await?;
        known.extend(page.items.into_iter().map(|entry| (entry.version_info.id, entry.version_info)));
    }
    Ok(known)
}

fn tell(verdict: &Verdict, new: &str, may: &str, names: shown::Names<'_>, as_json: bool) -> Result<bool> {
    match (&verdict.registered, &verdict.refusal) {
        _ if as_json => json(verdict)?,
        (Some(version), _) => say!("{new} is there already: {}", names(version)),
        (None, Some(refusal)) => shown::refusal(new, refusal, names),
        (None, None) => say!("{new} may {may}"),
    }
    Ok(verdict.compatible)
}

pub(crate) async fn diff(at: At, args: DiffArgs, as_json: bool) -> Result<()> {
    let (from, to, compared) = match args.group.id() {
        Some(group) => {
            let id = |text: &str| {
                text.parse().with_context(|| format!("{text:?} is no schema's id, which --group asks for"))
            };
            let (from, to): (u32, u32) = (id(&args.from)?, id(&args.to)?);
            let opened = at.open(false).await?;
            let compared = opened.registry.compare(&group, from, to).await?;
            opened.close().await?;
            (format!("schema {from}"), format!("schema {to}"), compared)
        }
        None => {
            let (from, to) = (Path::new(&args.from), Path::new(&args.to));
            let (old, new) = (normal(from, &args.read)?.schema, normal(to, &args.read)?.schema);
            let fields = difference(&old, &new)?;
            let (backward, forward) = {
                let (rules, checkers) = (Rules::strict(), Checkers::default());
                decide::both_ways(&new, &old, rules, &checkers, &Budget::default())
            };
            let compared = Comparison { from: old, to: new, fields, backward, forward };
            (files::name(from), files::name(to), compared)
        }
    };
    if as_json {
        return json(&compared);
    }
    shown::comparison(&from, &to, &compared);
    Ok(())
}
