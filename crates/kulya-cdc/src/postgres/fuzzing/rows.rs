//! The tables of a log that is fuzzed, and their rows as JSON.

use super::kinds;
use crate::debezium::connector::Connector;
use crate::debezium::events::EventContext;
use crate::debezium::format::EventFormat;
use crate::debezium::fuzzing::{all_modes, parsed_json};
use crate::debezium::row_image::Findings;
use crate::postgres::column::{Kind, KindContext};
use crate::postgres::pgoutput::{Cell, CutChange, Message, OldTuple, Relation};
use crate::postgres::table::{Column, Image, Table};
use std::collections::BTreeMap;
use std::sync::LazyLock;

static CONTEXTS: LazyLock<Vec<EventContext>> = LazyLock::new(|| {
    let format = EventFormat { topic_prefix: "p".to_owned(), ..EventFormat::default() };
    let contexts = all_modes().into_iter();
    contexts.map(|modes| EventContext::new(Connector::Postgresql, format.clone(), modes, "run")).collect()
});

/// Tables by the number of their relation.
pub(super) struct LogTables {
    context: &'static EventContext,
    tables: BTreeMap<u32, Table>,
}

impl LogTables {
    /// Selects the modes by a number.
    pub(super) fn new(modes: usize) -> Self {
        let context = CONTEXTS.get(modes % CONTEXTS.len()).expect("there are modes");
        Self { context, tables: BTreeMap::new() }
    }

    /// Remembers a relation, writes changed rows.
    pub(super) fn read(&mut self, message: &Message<'_>) {
        match message {
            Message::Relation(relation) => {
                let table = self.table(relation);
                self.tables.insert(relation.id, table);
            }
            Message::Insert { relation, new } => self.write(*relation, new, Image::Complete),
            Message::Update { relation, old, new } => {
                old.iter().for_each(|old| self.write_old(*relation, old));
                self.write(*relation, new, Image::Complete);
            }
            Message::Delete { relation, old } => self.write_old(*relation, old),
            _ => {}
        }
    }

    /// Writes the key of a change of which only the beginning is there.
    pub(super) fn read_cut(&self, cut: &CutChange<'_>) {
        let Some(table) = self.tables.get(&cut.relation) else { return };
        let mut out = Vec::new();
        if let Some(key) = table.write_cut_key(&cut.cells, &mut out) {
            assert!(parsed_json(key.of(&out)).is_object());
        }
    }

    fn table(&self, relation: &Relation) -> Table {
        let columns = relation.columns.iter().enumerate().map(|(index, column)| {
            let catalog = kinds::catalog_type(column.type_oid, column.type_modifier);
            let context = KindContext { modes: &self.context.modes, money_digits: 2 };
            let kind = Kind::from_type(&catalog, &context);
            Column::new(column.name.clone(), index % 2 == 1, kind)
        });
        let key = relation.columns.iter().filter(|column| column.is_identity);
        let key = key.map(|column| column.name.clone()).collect();
        Table::new(self.context, &relation.schema, &relation.table, columns.collect(), key)
    }

    fn write_old(&self, relation: u32, old: &OldTuple<'_>) {
        match old {
            OldTuple::Key(cells) => self.write(relation, cells, Image::Identity),
            OldTuple::Full(cells) => self.write(relation, cells, Image::Complete),
        }
    }

    fn write(&self, relation: u32, cells: &[Cell<'_>], image: Image) {
        let Some(table) = self.tables.get(&relation) else { return };
        let (mut out, mut findings) = (Vec::new(), Findings::default());
        table.write_row(cells, image, &mut out, &mut findings);
        assert!(parsed_json(&out).is_object());
        assert!(findings.nulls.iter().all(|index| *index < cells.len()));
        out.clear();
        if let Some((key, values)) = table.write_key(cells, image, &mut out) {
            assert!(parsed_json(key.of(&out)).is_object());
            parsed_json(&[b"[", values.of(&out), b"]"].concat());
        }
        if !findings.nulls.is_empty() {
            let _ = table.with_optional(self.context, &findings.nulls);
        }
    }
}
