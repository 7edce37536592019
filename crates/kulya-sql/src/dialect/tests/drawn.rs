//! Statements drawn at random: what is printed is parsed to an equal statement.
//!
//! The seed of each case is its number, so that a failure is reproduced by it.

use crate::dialect::cursor::{Path, WithText};
use crate::dialect::error::NodePosition;
use crate::dialect::flink_type::{DayTimeFields, FlinkType, RowField, TypeKind, YearMonthFields};
use crate::dialect::options::OptionDef;
use crate::dialect::parse;
use crate::dialect::statement::*;
use datafusion::sql::sqlparser::ast;
use kulya_testkit::SeededRng;

/// Draws parts of statements.
struct Draw(SeededRng);

impl Draw {
    fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.0.index(items.len())]
    }

    fn chance(&mut self) -> bool {
        self.0.index(2) == 0
    }

    fn maybe<T>(&mut self, draw: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.chance() { Some(draw(self)) } else { None }
    }

    fn some<T>(&mut self, max: usize, mut draw: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.0.index(max + 1)).map(|_| draw(self)).collect()
    }

    fn name(&mut self) -> String {
        let names = ["a", "B_1", "select", "my col", "tick`et", "naïve", "it's", "c.d", "-- x", "\n"];
        format!("{}{}", self.one_of(&names), self.0.index(1000))
    }

    fn text(&mut self) -> String {
        (*self.one_of(&["", "x", "it's", "a;b", "/* c */", "-- d", "\n", "'", "é", "\\"])).to_owned()
    }

    fn path(&mut self, max_parts: usize) -> Path {
        let parts = (0..=self.0.index(max_parts)).map(|_| self.name()).collect();
        Path { parts, position: NodePosition::default() }
    }

    fn option(&mut self) -> OptionDef {
        OptionDef { key: self.text(), value: self.text(), position: NodePosition::default() }
    }

    fn options(&mut self) -> Vec<OptionDef> {
        self.some(3, Self::option)
    }

    fn expression(&mut self) -> WithText<Box<ast::Expr>> {
        let texts = [
            "a",
            "`my col` + 1",
            "ts - INTERVAL '5' SECOND",
            "PROCTIME()",
            "CAST(a AS ROW<b INT>)",
            "f(';')",
        ];
        let value = Box::new(ast::Expr::value(ast::Value::Null));
        WithText { value, text: (*self.one_of(&texts)).to_owned() }
    }

    fn flink_type(&mut self, depth: usize) -> FlinkType {
        FlinkType { kind: self.type_kind(depth), nullable: self.chance() }
    }

    fn type_kind(&mut self, depth: usize) -> TypeKind {
        let digits = self.0.index(10) as u8;
        let length = *self.one_of(&[1, 2, 255, i32::MAX as u32]);
        let nested = |draw: &mut Self| Box::new(draw.flink_type(depth - 1));
        match self.0.index(if depth == 0 { 19 } else { 23 }) {
            0 => TypeKind::Boolean,
            1 => TypeKind::TinyInt,
            2 => TypeKind::SmallInt,
            3 => TypeKind::Int,
            4 => TypeKind::BigInt,
            5 => TypeKind::Float,
            6 => TypeKind::Double,
            7 => TypeKind::Decimal(digits + 10, digits),
            8 => TypeKind::Char(length),
            9 => TypeKind::Varchar(length),
            10 => TypeKind::Binary(length),
            11 => TypeKind::Varbinary(length),
            12 => TypeKind::Date,
            13 => TypeKind::Time(digits),
            14 => TypeKind::Timestamp(digits),
            15 => TypeKind::TimestampLtz(digits),
            16 => TypeKind::IntervalYearMonth(YearMonthFields::YearToMonth, 3),
            17 => TypeKind::IntervalDayTime(DayTimeFields::DayToSecond, 4, digits),
            18 => TypeKind::IntervalDayTime(DayTimeFields::Second, 2, digits),
            19 => TypeKind::Array(nested(self)),
            20 => TypeKind::Multiset(nested(self)),
            21 => TypeKind::Map(nested(self), nested(self)),
            _ => TypeKind::Row(self.some(3, |draw| RowField {
                name: draw.name(),
                field_type: draw.flink_type(depth - 1),
                comment: draw.maybe(Self::text),
            })),
        }
    }

    fn column(&mut self) -> ColumnDef {
        let kind = match self.0.index(3) {
            0 => ColumnKind::Physical { column_type: self.flink_type(3) },
            1 => ColumnKind::Metadata {
                column_type: self.flink_type(1),
                from: self.maybe(Self::text),
                is_virtual: self.chance(),
            },
            _ => ColumnKind::Computed(self.expression()),
        };
        ColumnDef {
            name: self.name(),
            kind,
            comment: self.maybe(Self::text),
            position: NodePosition::default(),
        }
    }

    fn watermark(&mut self) -> Watermark {
        Watermark { column: self.path(2), expression: self.expression() }
    }

    fn key(&mut self) -> PrimaryKey {
        let columns = vec![self.name(), self.name()];
        PrimaryKey { name: self.maybe(Self::name), columns, position: NodePosition::default() }
    }

    fn elements(&mut self) -> TableElements {
        let mut elements = TableElements {
            columns: self.some(4, Self::column),
            watermark: self.maybe(Self::watermark),
            key: self.maybe(Self::key),
            names: Vec::new(),
        };
        // names of columns are unique
        for (index, column) in elements.columns.iter_mut().enumerate() {
            column.name.push_str(&format!("_{index}"));
        }
        elements
    }

    fn like(&mut self) -> Like {
        let parts = [LikePart::Generated, LikePart::Options, LikePart::Watermarks, LikePart::Metadata];
        let mergings = [Merging::Including, Merging::Excluding, Merging::Overwriting];
        let features = parts.into_iter().filter(|_| self.0.index(2) == 0).collect::<Vec<_>>();
        let features =
            features.into_iter().map(|part| LikeFeature { merging: *self.one_of(&mergings), part }).collect();
        Like { path: self.path(3), features }
    }

    fn query(&mut self) -> ParsedQuery {
        let texts = [
            "SELECT 1",
            "SELECT a FROM t /*+ OPTIONS('a'='b') */",
            "WITH x AS (SELECT ';') SELECT * FROM x",
            "VALUES (1)",
        ];
        let text = *self.one_of(&texts);
        match parse(text).unwrap().remove(0).kind {
            StatementKind::Query(query) => query,
            other => panic!("{other}"),
        }
    }

    fn create_table(&mut self) -> StatementKind {
        let (like, query) = match self.0.index(3) {
            0 => (Some(self.like()), None),
            1 => (None, Some(self.query())),
            _ => (None, None),
        };
        let distribution = self.maybe(|draw| Distribution {
            kind: Some("HASH".to_owned()),
            columns: vec![draw.name()],
            buckets: draw.maybe(|draw| draw.0.index(100) as u32),
            position: NodePosition::default(),
        });
        StatementKind::CreateTable(Box::new(CreateTable {
            path: self.path(3),
            temporary: self.chance(),
            if_not_exists: self.chance(),
            or_replace: self.chance(),
            elements: self.elements(),
            comment: self.maybe(Self::text),
            partitioned: self.some(2, Self::name),
            distribution,
            options: self.options(),
            like,
            query,
        }))
    }

    fn alter_table(&mut self) -> StatementKind {
        let change = match self.0.index(7) {
            0 => AlterTable::Rename(self.path(3)),
            1 => AlterTable::RenameColumn { from: self.path(2), to: self.name() },
            2 => AlterTable::Options(OptionsChange::Set(vec![self.option(), self.option()])),
            3 => AlterTable::Options(OptionsChange::Reset(vec![self.text()])),
            4 => AlterTable::DropColumns(vec![self.path(2), self.path(1)]),
            5 => AlterTable::Add(vec![
                AlteredElement::Key(self.key()),
                AlteredElement::Watermark(self.watermark()),
            ]),
            _ => AlterTable::Modify(vec![AlteredElement::Column {
                column: Box::new(self.column()),
                place: self.maybe(|draw| ColumnPlace::After(draw.name())),
            }]),
        };
        StatementKind::AlterTable { path: self.path(3), if_exists: self.chance(), change }
    }

    fn statement(&mut self) -> StatementKind {
        match self.0.index(6) {
            0 | 1 => self.create_table(),
            2 => self.alter_table(),
            3 => StatementKind::CreateView(Box::new(CreateView {
                materialized: false,
                path: self.path(3),
                temporary: self.chance(),
                if_not_exists: self.chance(),
                columns: self.some(2, Self::name),
                comment: self.maybe(Self::text),
                query: self.query(),
            })),
            4 => StatementKind::CreateCatalog(CreateCatalog {
                name: self.path(1),
                if_not_exists: self.chance(),
                comment: self.maybe(Self::text),
                options: self.options(),
            }),
            _ => StatementKind::StatementSet(vec![Insert {
                path: self.path(3),
                overwrite: self.chance(),
                partition: Vec::new(),
                columns: self.some(2, |draw| draw.path(2)),
                // a hint cannot contain the end of a comment, nor a statement's end
                options: vec![OptionDef {
                    key: "k".to_owned(),
                    value: "it's".to_owned(),
                    position: NodePosition::default(),
                }],
                query: self.query(),
                on_conflict: self.maybe(|draw| OnConflict {
                    action: if draw.chance() { ConflictAction::Nothing } else { ConflictAction::Deduplicate },
                    position: NodePosition::default(),
                }),
                position: NodePosition::default(),
            }]),
        }
    }
}

#[test]
fn drawn_statements_are_parsed_as_printed() {
    for seed in 0..1500 {
        let kind = Draw(SeededRng::new(seed)).statement();
        for text in [format!("{kind}"), format!("{kind:#}")] {
            let parsed = parse(&text).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
            assert_eq!(parsed.len(), 1, "seed {seed}: {text}");
            assert_eq!(parsed[0].kind, kind, "seed {seed}: {text}");
        }
    }
}
