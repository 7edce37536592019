//! Arguments of `kulya registry`, with parsers of policies, formats and rules.

use super::connection::StoreArgs;
use anyhow::{Result, bail};
use clap::{Subcommand, ValueEnum};
use kulya_schema::protobuf::Safety;
use kulya_schema::{
    Compatibility, Format, GroupId, Reference, Rules, StrictRules, UnknownPolicy, VersionInfo, VersionScope,
};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct RegistryArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Print JSON: one document, or one a line for a list
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: RegistryCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RegistryCommand {
    /// List the namespaces that have groups
    Namespaces,
    /// Groups: create, list, describe, change, delete
    #[command(subcommand)]
    Group(GroupCommand),
    /// Schemas of a group: add, list, show, delete, find
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Check a schema's compatibility with earlier ones: files, in order, or those of a group (--group).
    /// Exits with 0 if it is compatible, 1 if not (every reason is printed), 2 after an error
    Check(CheckArgs),
    /// Show what changed between two schemas, and which can read the other's events: two files, or two ids of
    /// a group (--group)
    Diff(DiffArgs),
    /// Search versions by the names of group, type, format or field
    Search(SearchArgs),
    /// Print everything as JSON lines, for import
    Export(ExportArgs),
    /// Import the output of export, with the same ids
    Import(ImportArgs),
    /// Codecs of a group: add, list
    #[command(subcommand)]
    Codec(CodecCommand),
    /// Encoding ids of a group: the schema and codec of an id, or the id of a schema and codec
    #[command(subcommand)]
    Encoding(EncodingCommand),
    /// Decode an event: its header and value
    Decode {
        #[command(flatten)]
        group: GroupOption,
        /// The event as hexadecimal digits
        #[arg(long, value_name = "HEX")]
        hex: String,
    },
    /// Print changes as they happen; Ctrl-C stops
    Watch {
        /// Only changes behind this position, which --json prints as place with each change [default: from
        /// now on]
        #[arg(long, value_name = "POSITION")]
        from: Option<String>,
    },
}

/// A group as a positional argument.
#[derive(Debug, clap::Args)]
pub(crate) struct GroupName {
    /// The group's name
    #[arg(value_name = "GROUP")]
    pub(crate) name: String,
    /// The group's namespace [default: the unnamed one]
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAMESPACE")]
    pub(crate) namespace: String,
}

impl GroupName {
    pub(crate) fn id(&self) -> GroupId {
        GroupId::new(&self.namespace, &self.name)
    }
}

/// A group as a flag.
#[derive(Debug, clap::Args)]
pub(crate) struct GroupOption {
    /// The group's name
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: String,
    /// The group's namespace [default: the unnamed one]
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAMESPACE")]
    pub(crate) namespace: String,
}

impl GroupOption {
    pub(crate) fn id(&self) -> GroupId {
        GroupId::new(&self.namespace, &self.group)
    }
}

/// A group as an optional flag, for commands that work on files too.
#[derive(Debug, clap::Args)]
pub(crate) struct OptionalGroup {
    /// A group of a registry, instead of files only
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// The group's namespace [default: the unnamed one]
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAMESPACE")]
    pub(crate) namespace: String,
}

impl OptionalGroup {
    pub(crate) fn id(&self) -> Option<GroupId> {
        self.group.as_ref().map(|name| GroupId::new(&self.namespace, name))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// Create a group
    Create {
        #[command(flatten)]
        group: GroupName,
        /// The format of its schemas: avro, json, protobuf, any, or custom:NAME
        #[arg(long, value_parser = format, value_name = "FORMAT", display_order = 0)]
        format: Format,
        #[command(flatten)]
        policy: PolicyArgs,
        #[command(flatten)]
        rules: RulesArgs,
        /// Allow schemas of different types
        #[arg(long)]
        multiple_types: bool,
        /// A label; may be repeated
        #[arg(long = "label", value_parser = pair, value_name = "KEY=VALUE")]
        labels: Vec<(String, String)>,
    },
    /// List the groups of one namespace, or of all
    List {
        /// Only of this namespace
        #[arg(long, value_name = "NAMESPACE")]
        namespace: Option<String>,
    },
    /// Show a group's properties and codecs
    Describe {
        #[command(flatten)]
        group: GroupName,
    },
    /// Change a group's policy, rules or labels; what has no flag is unchanged
    Change {
        #[command(flatten)]
        group: GroupName,
        #[command(flatten)]
        policy: PolicyArgs,
        #[command(flatten)]
        rules: RulesArgs,
        /// Set a label; may be repeated
        #[arg(long = "label", value_parser = pair, value_name = "KEY=VALUE")]
        labels: Vec<(String, String)>,
        /// Remove a label; may be repeated
        #[arg(long = "no-label", value_name = "KEY")]
        no_labels: Vec<String>,
    },
    /// Delete a group with its schemas
    Delete {
        #[command(flatten)]
        group: GroupName,
        /// Delete it even if schemas of other groups refer to its schemas
        #[arg(long)]
        force: bool,
    },
}

/// A schema file.
#[derive(Debug, clap::Args)]
pub(crate) struct SchemaFile {
    /// The schema: Avro, JSON Schema, a .proto file, or a descriptor set as protoc writes it
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) read: SchemaReadArgs,
}

/// What a schema refers to.
#[derive(Debug, clap::Args)]
pub(crate) struct ReferenceArgs {
    /// A registered schema that this one refers to: name=NAME,group=GROUP,id=ID and, if it has one,
    /// namespace=NAMESPACE. NAME is an Avro type, the URI of a $ref, or an imported file; may be repeated
    #[arg(long = "reference", value_parser = reference, value_name = "REFERENCE")]
    pub(crate) references: Vec<Reference>,
}

/// The type and format of a schema file.
#[derive(Debug, clap::Args)]
pub(crate) struct SchemaReadArgs {
    /// The schema's type: for Protobuf the message, if there are several; for Avro it is in the schema
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) type_name: Option<String>,
    /// avro, json, protobuf or custom:NAME [default: by the file's content]
    #[arg(long, value_parser = format, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Register a schema; an identical one keeps its version
    Add {
        #[command(flatten)]
        group: GroupOption,
        #[command(flatten)]
        schema: SchemaFile,
        #[command(flatten)]
        references: ReferenceArgs,
        /// A label of the schema; may be repeated
        #[arg(long = "label", value_parser = pair, value_name = "KEY=VALUE")]
        labels: Vec<(String, String)>,
    },
    /// List every version, including deleted ones
    List {
        #[command(flatten)]
        group: GroupOption,
        /// Only of this type
        #[arg(long = "type", value_name = "TYPE")]
        type_name: Option<String>,
    },
    /// Print a schema as text
    Show {
        #[command(flatten)]
        group: GroupOption,
        /// The schema's id
        id: u32,
        /// Print the bytes as they were registered
        #[arg(long, conflicts_with = "json")]
        raw: bool,
        /// Print a schema with references with the schemas that it refers to in it
        #[arg(long)]
        resolved: bool,
    },
    /// List the schemas that a schema refers to
    References {
        #[command(flatten)]
        group: GroupOption,
        /// The schema's id
        id: u32,
    },
    /// List the schemas that refer to a schema
    ReferencedBy {
        #[command(flatten)]
        group: GroupOption,
        /// The schema's id
        id: u32,
    },
    /// Delete a schema (soft delete): it is not found any more, but its id still resolves
    Delete {
        #[command(flatten)]
        group: GroupOption,
        /// The schema's id
        id: u32,
        /// Delete it even if other schemas refer to it
        #[arg(long)]
        force: bool,
    },
    /// Find the groups of a namespace that have a schema, or its version in one group (--group)
    Find {
        #[command(flatten)]
        group: OptionalGroup,
        #[command(flatten)]
        schema: SchemaFile,
        #[command(flatten)]
        references: ReferenceArgs,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) group: OptionalGroup,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    #[command(flatten)]
    pub(crate) rules: RulesArgs,
    #[command(flatten)]
    pub(crate) read: SchemaReadArgs,
    #[command(flatten)]
    pub(crate) references: ReferenceArgs,
    /// Check each schema of the files and folders against the same file of a git revision, git:REF
    #[arg(long, value_name = "git:REF", value_parser = revision, conflicts_with_all = ["group", "references"])]
    pub(crate) against: Option<String>,
    /// The output: text, json (as --json), junit (JUnit XML), or github (workflow commands that annotate
    /// the lines of files)
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output_format: OutputFormat,
    /// Schema files in order, the new one last; or one folder, ordered by name (2 before 10). With --against
    /// files and folders in any order
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// The format of the results of a check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    #[default]
    Text,
    Json,
    Junit,
    Github,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    pub(crate) group: OptionalGroup,
    #[command(flatten)]
    pub(crate) read: SchemaReadArgs,
    /// The earlier schema: a file, or an id with --group
    pub(crate) from: String,
    /// The later schema
    pub(crate) to: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SearchArgs {
    /// Only in this namespace
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// A part of the group's name
    #[arg(long, value_name = "TEXT")]
    pub(crate) group: Option<String>,
    /// A part of the type's name
    #[arg(long = "type", value_name = "TEXT")]
    pub(crate) type_name: Option<String>,
    /// The format's name
    #[arg(long, value_name = "NAME")]
    pub(crate) format: Option<String>,
    /// A field's name, or the last names of its path, as line.quantity
    #[arg(long, value_name = "NAME")]
    pub(crate) field: Option<String>,
    /// Every version that is not deleted, instead of the latest of each type
    #[arg(long)]
    pub(crate) all_versions: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// Only of this namespace; with --from-v1 it may be repeated [default: all; with --from-v1 the unnamed
    /// one]
    #[arg(long = "namespace", value_name = "NAMESPACE")]
    pub(crate) namespaces: Vec<String>,
    /// Export from any registry with the Pravega Schema Registry's REST v1, such as the Java one at
    /// http://host:9092; overrides --data and --url
    #[arg(long, value_name = "URL")]
    pub(crate) from_v1: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// The file that export wrote; - is standard input
    pub(crate) file: PathBuf,
    /// Skip groups that exist, instead of failing
    #[arg(long)]
    pub(crate) skip_existing: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CodecCommand {
    /// Add a codec; one with the same name is unchanged
    Add {
        #[command(flatten)]
        group: GroupOption,
        /// The codec's name, such as application/x-gzip
        name: String,
        /// A property for decoders; may be repeated
        #[arg(long = "property", value_parser = pair, value_name = "KEY=VALUE")]
        properties: Vec<(String, String)>,
    },
    /// List the codecs of a group, which its readers must support
    List {
        #[command(flatten)]
        group: GroupOption,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum EncodingCommand {
    /// Show the schema and codec of an encoding id
    Show {
        #[command(flatten)]
        group: GroupOption,
        /// The encoding id
        id: u32,
    },
    /// Print the encoding id of a schema and a codec, assigned on first use
    Id {
        #[command(flatten)]
        group: GroupOption,
        /// The schema's id
        schema: u32,
        /// The codec's name [default: none]
        #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
        codec: String,
    },
}

/// A compatibility policy.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PolicyArgs {
    /// AllowAny, DenyAll, Backward, Forward, Full, BackwardTransitive, ForwardTransitive, FullTransitive, or
    /// Advanced
    #[arg(long, value_parser = policy, value_name = "POLICY")]
    policy: Option<Policy>,
    /// With Advanced: the versions whose events the new schema must read: latest, transitive, or till:ID
    #[arg(long, value_parser = version_range, value_name = "VERSIONS")]
    backward: Option<VersionRange>,
    /// With Advanced: the versions that must read the new schema's events, likewise
    #[arg(long, value_parser = version_range, value_name = "VERSIONS")]
    forward: Option<VersionRange>,
}

#[derive(Debug, Clone)]
enum Policy {
    Simple(Compatibility),
    Advanced,
}

#[derive(Debug, Clone, Copy)]
enum VersionRange {
    Latest,
    Transitive,
    Till(u32),
}

impl PolicyArgs {
    /// Returns the schema ids that the policy names.
    pub(crate) fn ids(&self) -> Vec<u32> {
        let id = |range: &VersionRange| if let VersionRange::Till(id) = range { Some(*id) } else { None };
        self.backward.iter().chain(&self.forward).filter_map(id).collect()
    }

    /// Returns the policy; `version` finds a version by its schema id.
    ///
    /// # Errors
    /// An unknown id, and flags that contradict each other.
    pub(crate) fn compatibility(
        &self,
        version: impl Fn(u32) -> Option<VersionInfo>,
    ) -> Result<Option<Compatibility>> {
        let side = |range: &Option<VersionRange>| -> Result<Option<VersionScope>> {
            Ok(match range {
                None => None,
                Some(VersionRange::Latest) => Some(VersionScope::Latest),
                Some(VersionRange::Transitive) => Some(VersionScope::Transitive),
                Some(VersionRange::Till(id)) => match version(*id) {
                    Some(version) => Some(VersionScope::Till(version)),
                    None => bail!("till:{id} is not the id of a schema here: ids start at 0"),
                },
            })
        };
        let (backward, forward) = (side(&self.backward)?, side(&self.forward)?);
        match (&self.policy, backward.is_some() || forward.is_some()) {
            (None, false) => Ok(None),
            (Some(Policy::Simple(policy)), false) => Ok(Some(policy.clone())),
            (Some(Policy::Advanced), false) => bail!("policy Advanced needs --backward or --forward"),
            (Some(Policy::Advanced) | None, true) => Ok(Some(Compatibility::Advanced { backward, forward })),
            (Some(Policy::Simple(policy)), true) => {
                bail!("--backward and --forward need policy Advanced, not {}", policy.policy())
            }
        }
    }
}

/// The rules of compatibility checks.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct RulesArgs {
    /// The rules of compatibility checks
    #[arg(long, value_enum)]
    rules: Option<RulesName>,
    /// With strict rules: the encodings of Protobuf events
    #[arg(long, value_enum)]
    protobuf: Option<ProtobufEncoding>,
    /// With strict rules: the result if compatibility is unknown
    #[arg(long, value_enum)]
    unknown: Option<IfUnknown>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RulesName {
    /// The Java registry's, which checks Avro only
    Java,
    /// Each format's specification
    Strict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProtobufEncoding {
    /// The wire format only
    Wire,
    /// JSON too
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum IfUnknown {
    /// Reject the schema
    Refuse,
    /// Accept the schema
    Allow,
}

impl RulesArgs {
    /// Returns the rules, if any flag gives them.
    ///
    /// # Errors
    /// Flags of the strict rules without them.
    pub(crate) fn rules(&self) -> Result<Option<Rules>> {
        match self.rules {
            Some(RulesName::Strict) => {
                let protobuf =
                    if self.protobuf == Some(ProtobufEncoding::Json) { Safety::Json } else { Safety::Wire };
                let unknown = if self.unknown == Some(IfUnknown::Allow) {
                    UnknownPolicy::Allow
                } else {
                    UnknownPolicy::Refuse
                };
                Ok(Some(Rules::Strict(StrictRules { protobuf, unknown })))
            }
            other if self.protobuf.is_none() && self.unknown.is_none() => Ok(other.map(|_| Rules::Java)),
            _ => bail!("--protobuf and --unknown need --rules strict"),
        }
    }
}

fn policy(text: &str) -> Result<Policy, String> {
    const SIMPLE: [Compatibility; 8] = [
        Compatibility::AllowAny,
        Compatibility::DenyAll,
        Compatibility::Backward,
        Compatibility::Forward,
        Compatibility::Full,
        Compatibility::BackwardTransitive,
        Compatibility::ForwardTransitive,
        Compatibility::FullTransitive,
    ];
    if text.eq_ignore_ascii_case("Advanced") {
        return Ok(Policy::Advanced);
    }
    let found = SIMPLE.iter().find(|policy| text.eq_ignore_ascii_case(policy.policy()));
    found.cloned().map(Policy::Simple).ok_or_else(|| {
        let names: Vec<&str> = SIMPLE.iter().map(Compatibility::policy).collect();
        format!("use one of {}, Advanced", names.join(", "))
    })
}

fn version_range(text: &str) -> Result<VersionRange, String> {
    match (text, text.strip_prefix("till:").map(str::parse)) {
        ("latest", _) => Ok(VersionRange::Latest),
        ("transitive", _) => Ok(VersionRange::Transitive),
        (_, Some(Ok(id))) => Ok(VersionRange::Till(id)),
        _ => Err("use latest, transitive, or till: and a schema id, as till:3".to_owned()),
    }
}

fn format(text: &str) -> Result<Format, String> {
    match (text.to_ascii_lowercase().as_str(), text.strip_prefix("custom:")) {
        ("avro", _) => Ok(Format::Avro),
        ("json", _) => Ok(Format::Json),
        ("protobuf", _) => Ok(Format::Protobuf),
        ("any", _) => Ok(Format::Any),
        (_, Some(name)) if !name.is_empty() => Ok(Format::Custom(name.to_owned())),
        _ => Err("use avro, json, protobuf, any, or custom:NAME".to_owned()),
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("use KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Parses a git revision.
fn revision(text: &str) -> Result<String, String> {
    match text.split_once(':') {
        Some(("git", revision)) if !revision.is_empty() => Ok(revision.to_owned()),
        _ => Err("use git:REF, such as git:main or git:HEAD~1".to_owned()),
    }
}

/// Parses a reference. A part that does not start with a key belongs to the value before: values may contain
/// commas and equals signs.
fn reference(text: &str) -> Result<Reference, String> {
    const KEYS: [&str; 4] = ["name", "group", "id", "namespace"];
    let mut values: BTreeMap<&str, String> = BTreeMap::new();
    let mut last = "";
    for part in text.split(',') {
        match part.split_once('=') {
            Some((key, value)) if KEYS.contains(&key) && !values.contains_key(key) => {
                values.insert(key, value.to_owned());
                last = key;
            }
            _ => match values.get_mut(last) {
                Some(value) => *value = format!("{value},{part}"),
                None => return Err("use name=NAME,group=GROUP,id=ID".to_owned()),
            },
        }
    }
    let mut take =
        |key: &str| values.remove(key).ok_or(format!("{key}= is missing: use name=NAME,group=GROUP,id=ID"));
    let (name, group, id) = (take("name")?, take("group")?, take("id")?);
    let id = id.parse().map_err(|_| format!("{id:?} is no schema id"))?;
    Ok(Reference { name, namespace: take("namespace").unwrap_or_default(), group, id })
}

/// Collects pairs into a map; the last of a key counts.
pub(crate) fn to_map(pairs: Vec<(String, String)>) -> BTreeMap<String, String> {
    pairs.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_parsed() {
        let parsed = reference("name=shop.Address,group=addresses,id=3").unwrap();
        assert_eq!(parsed, Reference::new("shop.Address", &GroupId::new("", "addresses"), 3));
        let parsed = reference("id=0,name=https://x.org/a?b=1,2,namespace=a,b,group=c=d").unwrap();
        assert_eq!(parsed, Reference::new("https://x.org/a?b=1,2", &GroupId::new("a,b", "c=d"), 0));
        for (invalid, message) in [
            ("shop.Address", "use name=NAME"),
            ("name=a,group=b", "id= is missing"),
            ("name=a,group=b,id=-1", "is no schema id"),
        ] {
            assert!(reference(invalid).unwrap_err().contains(message), "{invalid}");
        }
        assert_eq!(revision("git:HEAD~1"), Ok("HEAD~1".to_owned()));
        assert!(revision("HEAD").is_err() && revision("git:").is_err());
    }
}
