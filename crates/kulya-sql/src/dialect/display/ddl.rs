//! Text of CREATE and ALTER.

use super::{separated, when, write_names};
use crate::dialect::options::OptionDef;
use crate::dialect::quote::{Quoted, identifier};
use crate::dialect::statement::{
    AlterTable, AlterView, AlteredElement, ColumnDef, ColumnKind, ColumnPlace, CreateCatalog, CreateDatabase,
    CreateTable, CreateView, Distribution, Like, LikePart, Merging, OptionsChange, PrimaryKey, TableElements,
    Watermark,
};
use std::fmt;

impl fmt::Display for CreateCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CREATE CATALOG {}{}", when(self.if_not_exists, "IF NOT EXISTS "), self.name)?;
        write_comment(f, &self.comment)?;
        write_with(f, &self.options)
    }
}

impl fmt::Display for CreateDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CREATE DATABASE {}{}", when(self.if_not_exists, "IF NOT EXISTS "), self.path)?;
        write_comment(f, &self.comment)?;
        write_with(f, &self.options)
    }
}

impl fmt::Display for CreateTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "CREATE {}{}TABLE {}{}",
            when(self.or_replace, "OR REPLACE "),
            when(self.temporary, "TEMPORARY "),
            when(self.if_not_exists, "IF NOT EXISTS "),
            self.path
        )?;
        self.elements.fmt(f)?;
        write_comment(f, &self.comment)?;
        if let Some(distribution) = &self.distribution {
            distribution.fmt(f)?;
        }
        if !self.partitioned.is_empty() {
            f.write_str("\nPARTITIONED BY ")?;
            write_names(f, &self.partitioned)?;
        }
        write_with(f, &self.options)?;
        if let Some(like) = &self.like {
            like.fmt(f)?;
        }
        match &self.query {
            Some(query) => write!(f, "\nAS {query}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for TableElements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_empty = self.columns.is_empty() && self.watermark.is_none() && self.key.is_none();
        if !self.names.is_empty() {
            f.write_str(" ")?;
            return write_names(f, &self.names);
        }
        if is_empty {
            return Ok(());
        }
        f.write_str(" (\n  ")?;
        separated(f, &self.columns, ",\n  ", |f, column| column.fmt(f))?;
        let mut between = when(!self.columns.is_empty(), ",\n  ");
        if let Some(watermark) = &self.watermark {
            write!(f, "{between}{watermark}")?;
            between = ",\n  ";
        }
        if let Some(key) = &self.key {
            write!(f, "{between}{key}")?;
        }
        f.write_str("\n)")
    }
}

impl fmt::Display for ColumnDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", identifier(&self.name))?;
        match &self.kind {
            ColumnKind::Physical { column_type } => column_type.fmt(f)?,
            ColumnKind::Metadata { column_type, from, is_virtual } => {
                column_type.fmt(f)?;
                f.write_str(" METADATA")?;
                if let Some(key) = from {
                    write!(f, " FROM {}", Quoted(key))?;
                }
                f.write_str(when(*is_virtual, " VIRTUAL"))?;
            }
            ColumnKind::Computed(expression) => write!(f, "AS {}", expression.text)?,
        }
        write_comment(f, &self.comment)
    }
}

impl fmt::Display for Watermark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WATERMARK FOR {} AS {}", self.column, self.expression.text)
    }
}

impl fmt::Display for PrimaryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "CONSTRAINT {} ", identifier(name))?;
        }
        f.write_str("PRIMARY KEY ")?;
        write_names(f, &self.columns)?;
        f.write_str(" NOT ENFORCED")
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\nDISTRIBUTED")?;
        if !self.columns.is_empty() {
            write!(f, " BY {}", self.kind.as_deref().unwrap_or_default())?;
            write_names(f, &self.columns)?;
        }
        match self.buckets {
            Some(buckets) => write!(f, " INTO {buckets} BUCKETS"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Like {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\nLIKE {}", self.path)?;
        if self.features.is_empty() {
            return Ok(());
        }
        f.write_str(" (\n  ")?;
        separated(f, &self.features, "\n  ", |f, feature| {
            let merging = match feature.merging {
                Merging::Including => "INCLUDING",
                Merging::Excluding => "EXCLUDING",
                Merging::Overwriting => "OVERWRITING",
            };
            write!(f, "{merging} {}", feature.part)
        })?;
        f.write_str("\n)")
    }
}

impl fmt::Display for LikePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "ALL",
            Self::Constraints => "CONSTRAINTS",
            Self::Distribution => "DISTRIBUTION",
            Self::Generated => "GENERATED",
            Self::Metadata => "METADATA",
            Self::Options => "OPTIONS",
            Self::Partitions => "PARTITIONS",
            Self::Watermarks => "WATERMARKS",
        })
    }
}

impl fmt::Display for CreateView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let temporary = when(self.temporary, "TEMPORARY ");
        let materialized = when(self.materialized, "MATERIALIZED ");
        write!(
            f,
            "CREATE {temporary}{materialized}VIEW {}{}",
            when(self.if_not_exists, "IF NOT EXISTS "),
            self.path
        )?;
        if !self.columns.is_empty() {
            f.write_str(" ")?;
            write_names(f, &self.columns)?;
        }
        write_comment(f, &self.comment)?;
        write!(f, "\nAS {}", self.query)
    }
}

impl fmt::Display for AlterView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rename(path) => write!(f, "RENAME TO {path}"),
            Self::Query(query) => write!(f, "AS {query}"),
        }
    }
}

impl fmt::Display for AlterTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rename(path) => write!(f, "RENAME TO {path}"),
            Self::Options(change) => change.fmt(f),
            Self::Add(elements) => write_elements(f, "ADD", elements),
            Self::Modify(elements) => write_elements(f, "MODIFY", elements),
            Self::DropColumns(columns) => {
                f.write_str("DROP (")?;
                separated(f, columns, ", ", |f, column| column.fmt(f))?;
                f.write_str(")")
            }
            Self::DropPrimaryKey => f.write_str("DROP PRIMARY KEY"),
            Self::DropConstraint(name) => write!(f, "DROP CONSTRAINT {}", identifier(name)),
            Self::DropWatermark => f.write_str("DROP WATERMARK"),
            Self::RenameColumn { from, to } => write!(f, "RENAME {from} TO {}", identifier(to)),
        }
    }
}

fn write_elements(f: &mut fmt::Formatter<'_>, what: &str, elements: &[AlteredElement]) -> fmt::Result {
    write!(f, "{what} (\n  ")?;
    separated(f, elements, ",\n  ", |f, element| match element {
        AlteredElement::Column { column, place } => {
            fmt::Display::fmt(column, f)?;
            match place {
                None => Ok(()),
                Some(ColumnPlace::First) => f.write_str(" FIRST"),
                Some(ColumnPlace::After(name)) => write!(f, " AFTER {}", identifier(name)),
            }
        }
        AlteredElement::Watermark(watermark) => fmt::Display::fmt(watermark, f),
        AlteredElement::Key(key) => fmt::Display::fmt(key, f),
    })?;
    f.write_str("\n)")
}

impl fmt::Display for OptionsChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(options) => {
                f.write_str("SET ")?;
                write_options(f, options)
            }
            Self::Reset(keys) => {
                f.write_str("RESET (")?;
                separated(f, keys, ", ", |f, key| write!(f, "{}", Quoted(key)))?;
                f.write_str(")")
            }
            Self::Comment(comment) => write!(f, "COMMENT {}", Quoted(comment)),
        }
    }
}

fn write_comment(f: &mut fmt::Formatter<'_>, comment: &Option<String>) -> fmt::Result {
    match comment {
        Some(comment) => write!(f, " COMMENT {}", Quoted(comment)),
        None => Ok(()),
    }
}

/// Writes `WITH (…)`, if there are options.
fn write_with(f: &mut fmt::Formatter<'_>, options: &[OptionDef]) -> fmt::Result {
    if options.is_empty() {
        return Ok(());
    }
    f.write_str("\nWITH ")?;
    write_options(f, options)
}

fn write_options(f: &mut fmt::Formatter<'_>, options: &[OptionDef]) -> fmt::Result {
    f.write_str("(\n  ")?;
    separated(f, options, ",\n  ", |f, option| write!(f, "{option}"))?;
    f.write_str("\n)")
}
