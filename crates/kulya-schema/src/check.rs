//! The compatibility check of schemas in memory, in one call.

use crate::compatibility::{self, CompatibilityContext, Refusal};
use crate::validation::check_properties;
use crate::{
    Checkers, Compatibility, Error, GroupProperties, Result, Rules, SchemaInfo, SchemaWithVersion,
    VersionInfo, canonicalize,
};

/// The error of [`check`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The new schema is refused, for these reasons.
    #[error("{0}")]
    Refused(Refusal),
    /// A schema cannot be parsed, or the rules do not have this policy for its format.
    #[error(transparent)]
    Invalid(#[from] Error),
}

impl CheckError {
    /// Returns the reasons, if the schema is refused.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Invalid(_) => None,
        }
    }
}

/// Checks whether a group with this policy, these rules and these schemas, oldest first, accepts a new
/// schema. All schemas are of one format and type, as in a group that does not allow multiple types. An Avro
/// or Protobuf schema needs no type name where the schema has one.
///
/// A policy other than AllowAny and DenyAll needs a checker: [`Rules::Java`] has one for Avro,
/// [`Rules::strict`] for Avro, Protobuf and JSON Schema. [`compatibility::check`] takes checkers of custom
/// formats, too.
///
/// # Errors
/// `Refused` with every reason and the versions it concerns, where the first schema is version 0; `Invalid`
/// when a schema cannot be parsed, or the format has no checker under these rules.
///
/// ```
/// use kulya_schema::{CheckError, Compatibility, Rules, SchemaInfo, check};
///
/// let old = SchemaInfo::avro(r#"{"type":"record","name":"User","fields":[]}"#);
/// let new = SchemaInfo::avro(r#"{"type":"record","name":"User","fields":[{"name":"id","type":"int"}]}"#);
/// let result = check(Compatibility::Backward, Rules::strict(), &new, &[old]);
/// let Err(CheckError::Refused(refusal)) = result else {
///     panic!("events without the field cannot be read");
/// };
/// assert!(refusal.to_string().contains("User.id"), "{refusal}");
/// ```
pub fn check(
    policy: Compatibility,
    rules: Rules,
    new: &SchemaInfo,
    registered: &[SchemaInfo],
) -> Result<(), CheckError> {
    let group = GroupProperties::new(new.format.clone(), policy, false).with_rules(rules);
    check_properties(&group, &Checkers::default())?;
    let context = CompatibilityContext::for_group(&group, &Checkers::default())?;
    let new = canonicalize(new.clone())?;
    let live: Vec<_> = (0..)
        .zip(registered)
        .map(|(id, schema)| {
            // the bytes stay as they were sent: Java's rules parse those
            let schema = canonicalize(schema.clone())?.schema;
            let (type_name, format) = (schema.type_name.clone(), schema.format.full_name().to_owned());
            Ok(SchemaWithVersion { schema, version: VersionInfo { type_name, format, version: id, id } })
        })
        .collect::<Result<_>>()?;
    compatibility::check(&context, &new, &live)?.map_err(CheckError::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compatibility::Reason;
    use crate::protobuf::Safety;
    use crate::{Format, StrictRules, UnknownPolicy};
    use std::collections::BTreeMap;

    fn avro(fields: &str) -> SchemaInfo {
        let text = format!(r#"{{"type":"record","name":"shop.User","fields":[{fields}]}}"#);
        SchemaInfo::avro(text)
    }

    fn json(text: &str) -> SchemaInfo {
        SchemaInfo::json("User", text)
    }

    #[test]
    fn every_version_that_the_policy_covers_is_checked() {
        let id = r#"{"name":"id","type":"int"}"#;
        let old = [avro(""), avro(id), avro(id)];
        let with_default = avro(r#"{"name":"id","type":"int","default":0}"#);
        for rules in [Rules::Java, Rules::strict()] {
            let policy = Compatibility::BackwardTransitive;
            assert_eq!(check(policy.clone(), rules, &with_default, &old), Ok(()));
            assert_eq!(check(Compatibility::Backward, rules, &avro(id), &old), Ok(()));
            let error = check(policy, rules, &avro(id), &old).unwrap_err();
            let Some([Reason::CannotRead { versions, .. }]) = error.refusal().map(|r| &*r.reasons) else {
                panic!("{error}");
            };
            assert_eq!(versions.iter().map(|version| version.version).collect::<Vec<_>>(), [0]);
            assert!(error.to_string().starts_with("schema shop.User is refused by policy"), "{error}");
        }
    }

    #[test]
    fn formats_are_checked_alike() {
        let (number, text) = (json(r#"{"type":"number"}"#), json(r#"{"type":"string"}"#));
        let rules = Rules::strict();
        assert_eq!(check(Compatibility::Full, rules, &number, std::slice::from_ref(&number)), Ok(()));
        assert!(check(Compatibility::Full, rules, &number, &[text]).unwrap_err().refusal().is_some());
        let error = check(Compatibility::Full, Rules::Java, &number, &[]).unwrap_err();
        assert!(error.refusal().is_none(), "Java's rules have no checker of JSON: {error}");
        let broken = SchemaInfo::avro("{");
        for (new, old) in [(&broken, avro("")), (&avro(""), broken.clone())] {
            let error = check(Compatibility::Backward, rules, new, &[old]).unwrap_err();
            assert!(matches!(error, CheckError::Invalid(_)), "{error}");
        }
        let error = check(Compatibility::AllowAny, rules, &number, &[json("{}"), avro("")]).unwrap_err();
        assert!(error.to_string().contains("only one type"), "{error}");
    }

    #[test]
    fn rules_of_group_properties_replace_each_other() {
        let wire_or_json =
            Rules::Strict(StrictRules { protobuf: Safety::Json, unknown: UnknownPolicy::Allow });
        let mut group =
            GroupProperties::new(Format::Avro, Compatibility::Full, false).with_rules(wire_or_json);
        group.properties.insert("team".to_owned(), "shop".to_owned());
        assert_eq!(group.rules(), Ok(wire_or_json));
        let group = group.with_rules(Rules::strict());
        assert_eq!(group.rules(), Ok(Rules::strict()));
        let group = group.with_rules(Rules::Java);
        assert_eq!(group.properties, BTreeMap::from([("team".to_owned(), "shop".to_owned())]));
    }
}
