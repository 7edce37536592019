//! One transformation of the list, with its predicate.

use super::draft::Draft;
use super::logical_router::LogicalRouter;
use super::predicate::Predicate;
use super::regex_router::RegexRouter;
use super::settings::TransformSettings;
use super::unwrap::Unwrap;
use crate::CdcResult;
use crate::debezium::format::EventFormat;

/// A transformation, and for which records it is.
#[derive(Debug)]
pub(super) struct Step {
    predicate: Option<Predicate>,
    is_negated: bool,
    transform: Transform,
}

#[derive(Debug)]
enum Transform {
    Regex(RegexRouter),
    Logical(Box<LogicalRouter>),
    Unwrap(Box<Unwrap>),
}

impl Step {
    /// Creates a transformation; the error is why it cannot be used.
    pub(super) fn new(settings: &TransformSettings, format: &EventFormat) -> Result<Self, String> {
        let TransformSettings { class, predicate, negate, options } = settings;
        let logical = |key_field: &str| {
            let router = LogicalRouter::new(options, key_field, format.schemas_in_keys)?;
            Ok::<_, String>(Transform::Logical(Box::new(router)))
        };
        let transform = match class.trim() {
            "org.apache.kafka.connect.transforms.RegexRouter" => Transform::Regex(RegexRouter::new(options)?),
            "io.debezium.transforms.ByLogicalTableRouter" => logical("__dbz__physicalTableIdentifier")?,
            "io.debezium.transforms.ToLogicalTopicRouter" => logical("__dbz__sourceIdentifier")?,
            "io.debezium.transforms.ExtractNewRecordState" => {
                Transform::Unwrap(Box::new(Unwrap::new(options, format)?))
            }
            "" => return Err("its type is not set: write the Java class".to_owned()),
            other => {
                return Err(format!(
                    "the transformation {other} is not supported: {}; RegexRouter, ByLogicalTableRouter and ExtractNewRecordState are",
                    instead_of(other)
                ));
            }
        };
        let predicate = predicate.as_ref().map(Predicate::new).transpose()?;
        Ok(Self { predicate, is_negated: *negate, transform })
    }

    /// Transforms a record; `None` for one that is dropped.
    pub(super) fn apply<'a>(&mut self, draft: Draft<'a>) -> CdcResult<Option<Draft<'a>>> {
        if let Some(predicate) = &self.predicate
            && predicate.holds(&draft) == self.is_negated
        {
            return Ok(Some(draft));
        }
        match &mut self.transform {
            Transform::Regex(router) => Ok(Some(router.apply(draft))),
            Transform::Logical(router) => router.apply(draft).map(Some),
            Transform::Unwrap(unwrap) => unwrap.apply(draft),
        }
    }

    /// Transforms a record without content, as it transforms the changes of its table; `None` if it takes a
    /// row to tell.
    pub(super) fn declare<'a>(&mut self, draft: Draft<'a>) -> CdcResult<Option<Draft<'a>>> {
        match &mut self.transform {
            Transform::Unwrap(unwrap)
                if self
                    .predicate
                    .as_ref()
                    .is_none_or(|predicate| predicate.holds(&draft) != self.is_negated) =>
            {
                unwrap.declare(draft)
            }
            _ => self.apply(draft),
        }
    }

    /// Forgets the records before.
    pub(super) fn reset(&mut self) {
        if let Transform::Unwrap(unwrap) = &mut self.transform {
            unwrap.reset();
        }
    }
}

/// Returns what to do without a transformation.
fn instead_of(class: &str) -> &'static str {
    match class.rsplit('.').next().unwrap_or_default() {
        "Filter" => "choose tables and operations by table.include.list and skipped.operations",
        "ContentBasedRouter" => "route by a column with route.by.field of ExtractNewRecordState",
        "EventRouter" => "capture the outbox table, and route its events in the consumer",
        "TimezoneConverter" => "times are in UTC, convert them in the consumer",
        "InsertField$Value" | "HeaderToValue" => "add fields with add.fields of ExtractNewRecordState",
        "ReplaceField$Value" => "leave out columns by column.exclude.list",
        "MaskField$Value" => "mask columns by column.mask.with",
        _ => "remove it, and transform the events in the consumer",
    }
}
