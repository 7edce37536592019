//! What the tables of a capture have in common: how values are written, and the rules for columns.

use crate::column_rules::ColumnRules;
use crate::debezium::ValueModes;
use crate::debezium::events::EventContext;
use crate::debezium::name_adjustment::NameAdjustment;
use crate::mysql::ddl::Flavour;

/// What the tables of a capture have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TableContext<'a> {
    /// The topic prefix.
    pub(super) prefix: &'a str,
    pub(super) modes: &'a ValueModes,
    pub(super) flavour: Flavour,
    pub(super) rules: &'a ColumnRules,
    pub(super) field_names: NameAdjustment,
}

impl<'a> TableContext<'a> {
    pub(crate) fn new(events: &'a EventContext, flavour: Flavour) -> Self {
        Self {
            prefix: &events.format.topic_prefix,
            modes: &events.modes,
            flavour,
            rules: &events.columns,
            field_names: events.format.field_names,
        }
    }
}
