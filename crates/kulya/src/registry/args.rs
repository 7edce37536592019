//! What may be typed behind `kulya registry`, as values: policies, formats and rules are read here, nothing is asked.

use crate::args::Place;
use anyhow::{Result, bail};
use clap::{Subcommand, ValueEnum};
use kulya_schema::protobuf::Safety;
use kulya_schema::{Compatibility, Format, GroupId, Rules, Side, Strict, Unknown, VersionInfo};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct RegistryArgs {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Print JSON for programs: one document, or one a line for a list
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: RegistryCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RegistryCommand {
    /// List the namespaces that hold groups
    Namespaces,
    /// Groups: make, list, describe, change, delete
    #[command(subcommand)]
    Group(GroupCommand),
    /// Schemas of a group: add, list, show, delete, find
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Say whether a schema may follow others, with every reason why not: files, in order, or a group's (--group). Ends
    /// with 0 when it may, 1 when not, 2 when that cannot be said
    Check(CheckArgs),
    /// Show what changed from one schema to another, and who reads whom: two files, or two ids of a group (--group)
    Diff(DiffArgs),
    /// Find live versions by the names of group, type, format or field
    Search(SearchArgs),
    /// Print everything as JSON lines, which import takes in
    Export(ExportArgs),
    /// Take in what export printed, ids kept
    Import(ImportArgs),
    /// Codecs of a group: add, list
    #[command(subcommand)]
    Codec(CodecCommand),
    /// Encoding ids of a group: what one stands for, or the one of a schema and a codec
    #[command(subcommand)]
    Encoding(EncodingCommand),
    /// Show an event's header and value
    Decode {
        #[command(flatten)]
        group: InGroup,
        /// The event as hexadecimal digits
        #[arg(long, value_name = "HEX")]
        hex: String,
    },
    /// Print changes as they come; Ctrl-C ends
    Watch {
        /// Those behind this place, as --json prints it with each change [default: from now on]
        #[arg(long, value_name = "PLACE")]
        from: Option<String>,
    },
}

/// A group by name.
#[derive(Debug, clap::Args)]
pub(crate) struct Named {
    /// The group's name
    #[arg(value_name = "GROUP")]
    pub(crate) name: String,
    /// Its namespace [default: the one without a name]
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAMESPACE")]
    pub(crate) namespace: String,
}

impl Named {
    pub(crate) fn id(&self) -> GroupId {
        GroupId::new(&self.namespace, &self.name)
    }
}

/// The group that a command is about.
#[derive(Debug, clap::Args)]
pub(crate) struct InGroup {
    /// The group's name
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: String,
    /// Its namespace [default: the one without a name]
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAMESPACE")]
    pub(crate) namespace: String,
}

impl InGroup {
    pub(crate) fn id(&self) -> GroupId {
        GroupId::new(&self.namespace, &self.group)
    }
}

/// Files, unless a group is named.
#[derive(Debug, clap::Args)]
pub(crate) struct MaybeInGroup {
    /// A group of a registry, instead of files alone
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// The group's namespace [default: the one without a name]
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAMESPACE")]
    pub(crate) namespace: String,
}

impl MaybeInGroup {
    pub(crate) fn id(&self) -> Option<GroupId> {
        self.group.as_ref().map(|name| GroupId::new(&self.namespace, name))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// Make a group
    Create {
        #[command(flatten)]
        group: Named,
        /// The format of its schemas: avro, json, protobuf, any, or custom:NAME
        #[arg(long, value_parser = format, value_name = "FORMAT", display_order = 0)]
        format: Format,
        #[command(flatten)]
        policy: PolicyArgs,
        #[command(flatten)]
        rules: RulesArgs,
        /// Schemas of different types may live side by side
        #[arg(long)]
        multiple_types: bool,
        /// A label; may be repeated
        #[arg(long = "label", value_parser = pair, value_name = "KEY=VALUE")]
        labels: Vec<(String, String)>,
    },
    /// List groups: of one namespace, or of all
    List {
        /// Of this namespace alone
        #[arg(long, value_name = "NAMESPACE")]
        namespace: Option<String>,
    },
    /// Show a group's properties and codecs
    Describe {
        #[command(flatten)]
        group: Named,
    },
    /// Change a group's policy, rules or labels; what is not named stays
    Change {
        #[command(flatten)]
        group: Named,
        #[command(flatten)]
        policy: PolicyArgs,
        #[command(flatten)]
        rules: RulesArgs,
        /// Set a label; may be repeated
        #[arg(long = "label", value_parser = pair, value_name = "KEY=VALUE")]
        labels: Vec<(String, String)>,
        /// Take a label away; may be repeated
        #[arg(long = "no-label", value_name = "KEY")]
        no_labels: Vec<String>,
    },
    /// Delete a group with all it has
    Delete {
        #[command(flatten)]
        group: Named,
    },
}

/// A schema in a file.
#[derive(Debug, clap::Args)]
pub(crate) struct SchemaFile {
    /// The schema: .avsc, .json, a .proto file, or a descriptor set as protoc writes it (.desc, .pb, .binpb)
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// How a schema's file is read.
#[derive(Debug, clap::Args)]
pub(crate) struct ReadArgs {
    /// The schema's type: for Protobuf the message, where there are several; for Avro it is in the schema
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) type_name: Option<String>,
    /// avro, json, protobuf or custom:NAME, where the file's ending does not tell
    #[arg(long, value_parser = format, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Register a schema, or find it again
    Add {
        #[command(flatten)]
        group: InGroup,
        #[command(flatten)]
        schema: SchemaFile,
        /// A label of the schema; may be repeated
        #[arg(long = "label", value_parser = pair, value_name = "KEY=VALUE")]
        labels: Vec<(String, String)>,
    },
    /// List every version, deleted ones too
    List {
        #[command(flatten)]
        group: InGroup,
        /// Of this type alone
        #[arg(long = "type", value_name = "TYPE")]
        type_name: Option<String>,
    },
    /// Print a schema as text
    Show {
        #[command(flatten)]
        group: InGroup,
        /// The schema's id
        id: u32,
        /// Print its bytes as they were sent
        #[arg(long, conflicts_with = "json")]
        raw: bool,
    },
    /// Delete a schema softly: it is not found any more, and its id still resolves
    Delete {
        #[command(flatten)]
        group: InGroup,
        /// The schema's id
        id: u32,
    },
    /// Say which groups of a namespace hold a schema, or its version in one group (--group)
    Find {
        #[command(flatten)]
        group: MaybeInGroup,
        #[command(flatten)]
        schema: SchemaFile,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) group: MaybeInGroup,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    #[command(flatten)]
    pub(crate) rules: RulesArgs,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    /// Schemas in order, the new one last; or one folder of them, in the order of their names (2 before 10)
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    pub(crate) group: MaybeInGroup,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
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
    /// Every live version instead of the latest of each type
    #[arg(long)]
    pub(crate) all_versions: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// Of this namespace alone; with --from-v1 it may be repeated [default: all; with --from-v1 the one without a name]
    #[arg(long = "namespace", value_name = "NAMESPACE")]
    pub(crate) namespaces: Vec<String>,
    /// Of any registry that speaks the Pravega Schema Registry's REST v1, as the Java one at http://host:9092; goes before
    /// --data and --url
    #[arg(long, value_name = "URL")]
    pub(crate) from_v1: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// The file that export wrote; - is standard input
    pub(crate) file: PathBuf,
    /// Leave groups that are there as they are, instead of ending with an error
    #[arg(long)]
    pub(crate) skip_existing: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CodecCommand {
    /// Add a codec; one of the same name stays as it was
    Add {
        #[command(flatten)]
        group: InGroup,
        /// Its name, as application/x-gzip
        name: String,
        /// What its decoder needs to know; may be repeated
        #[arg(long = "property", value_parser = pair, value_name = "KEY=VALUE")]
        properties: Vec<(String, String)>,
    },
    /// List the codecs that the group's readers must know
    List {
        #[command(flatten)]
        group: InGroup,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum EncodingCommand {
    /// Show what an encoding id stands for
    Show {
        #[command(flatten)]
        group: InGroup,
        /// The encoding id
        id: u32,
    },
    /// Print the encoding id of a schema and a codec, made on first use
    Id {
        #[command(flatten)]
        group: InGroup,
        /// The schema's id
        schema: u32,
        /// The codec's name [default: none]
        #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
        codec: String,
    },
}

/// When a schema may follow others.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PolicyArgs {
    /// AllowAny, DenyAll, Backward, Forward, Full, BackwardTransitive, ForwardTransitive, FullTransitive, or Advanced
    #[arg(long, value_parser = policy, value_name = "POLICY")]
    policy: Option<Policy>,
    /// With Advanced: what the new schema must read: latest, transitive, or till:ID
    #[arg(long, value_parser = reach, value_name = "REACH")]
    backward: Option<Reach>,
    /// With Advanced: who must read the new schema's events, likewise
    #[arg(long, value_parser = reach, value_name = "REACH")]
    forward: Option<Reach>,
}

#[derive(Debug, Clone)]
enum Policy {
    Simple(Compatibility),
    Advanced,
}

#[derive(Debug, Clone, Copy)]
enum Reach {
    Latest,
    Transitive,
    Till(u32),
}

impl PolicyArgs {
    /// The ids that it names.
    pub(crate) fn ids(&self) -> Vec<u32> {
        let id = |reach: &Reach| if let Reach::Till(id) = reach { Some(*id) } else { None };
        self.backward.iter().chain(&self.forward).filter_map(id).collect()
    }

    /// The policy; `version` knows the versions by id.
    pub(crate) fn compatibility(
        &self,
        version: impl Fn(u32) -> Option<VersionInfo>,
    ) -> Result<Option<Compatibility>> {
        let side = |reach: &Option<Reach>| -> Result<Option<Side>> {
            Ok(match reach {
                None => None,
                Some(Reach::Latest) => Some(Side::Latest),
                Some(Reach::Transitive) => Some(Side::Transitive),
                Some(Reach::Till(id)) => match version(*id) {
                    Some(version) => Some(Side::Till(version)),
                    None => bail!("till:{id} names no schema that is there: ids begin at 0"),
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
                bail!("--backward and --forward go with policy Advanced, not with {}", policy.policy())
            }
        }
    }
}

/// By whose rules schemas are judged.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct RulesArgs {
    /// By whose rules
    #[arg(long, value_enum)]
    rules: Option<RulesName>,
    /// With strict rules: how Protobuf events are written
    #[arg(long, value_enum)]
    protobuf: Option<Events>,
    /// With strict rules: what is done when nobody can tell
    #[arg(long, value_enum)]
    unknown: Option<WhenUnknown>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RulesName {
    /// The Java registry's, which judges Avro alone
    Java,
    /// Each format's own specification
    Strict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Events {
    /// In the wire format alone
    Wire,
    /// As JSON too
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WhenUnknown {
    /// The schema is refused
    Refuse,
    /// The schema passes
    Allow,
}

impl RulesArgs {
    pub(crate) fn rules(&self) -> Result<Option<Rules>> {
        match self.rules {
            Some(RulesName::Strict) => {
                let protobuf = if self.protobuf == Some(Events::Json) { Safety::Json } else { Safety::Wire };
                let unknown =
                    if self.unknown == Some(WhenUnknown::Allow) { Unknown::Allow } else { Unknown::Refuse };
                Ok(Some(Rules::Strict(Strict { protobuf, unknown })))
            }
            other if self.protobuf.is_none() && self.unknown.is_none() => Ok(other.map(|_| Rules::Java)),
            _ => bail!("--protobuf and --unknown go with --rules strict"),
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
        format!("it is one of {}, Advanced", names.join(", "))
    })
}

fn reach(text: &str) -> Result<Reach, String> {
    match (text, text.strip_prefix("till:").map(str::parse)) {
        ("latest", _) => Ok(Reach::Latest),
        ("transitive", _) => Ok(Reach::Transitive),
        (_, Some(Ok(id))) => Ok(Reach::Till(id)),
        _ => Err("it is latest, transitive, or till: and a schema's id, as till:3".to_owned()),
    }
}

fn format(text: &str) -> Result<Format, String> {
    match (text.to_ascii_lowercase().as_str(), text.strip_prefix("custom:")) {
        ("avro", _) => Ok(Format::Avro),
        ("json", _) => Ok(Format::Json),
        ("protobuf", _) => Ok(Format::Protobuf),
        ("any", _) => Ok(Format::Any),
        (_, Some(name)) if !name.is_empty() => Ok(Format::Custom(name.to_owned())),
        _ => Err("it is avro, json, protobuf, any, or custom:NAME".to_owned()),
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Pairs as they are kept; the last of a key counts.
pub(crate) fn map(pairs: Vec<(String, String)>) -> BTreeMap<String, String> {
    pairs.into_iter().collect()
}
