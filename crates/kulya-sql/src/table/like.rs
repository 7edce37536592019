//! CREATE TABLE … LIKE: the definition of a table from that of another one, by Flink's rules.
//!
//! Physical columns are always taken over. The other parts are included unless the statement says otherwise:
//! what both have is an error then, but for options, where the new table's are used.

use crate::dialect::{
    ColumnDef, ColumnKind, CreateTable, Like, LikePart, Merging, OptionDef, Position, TableElements,
};
use crate::{SqlError, SqlErrorKind, SqlResult};

/// Returns the definition of a table LIKE another one, without the clause.
///
/// # Errors
/// With the place in the script: `InvalidQuery` for what both tables have.
pub(crate) fn like(new: CreateTable, like: &Like, base: CreateTable) -> SqlResult<CreateTable> {
    let CreateTable { elements: base_elements, options, partitioned, distribution, .. } = base;
    let how = |part| merging(like, part);
    let at = like.path.position.0;
    let mut columns = Vec::new();
    for column in base_elements.columns {
        let merging = how(part_of(&column.kind));
        if part_of(&column.kind) == LikePart::All || merging != Merging::Excluding {
            columns.push(column);
        }
    }
    for column in new.elements.columns {
        add_column(&mut columns, column, like, how)?;
    }
    let watermark = match (base_elements.watermark, new.elements.watermark) {
        (Some(_), Some(_)) if how(LikePart::Watermarks) == Merging::Including => {
            let hint = "EXCLUDING WATERMARKS or OVERWRITING WATERMARKS uses that of the new one";
            return Err(both(like, "a watermark", hint, at));
        }
        (Some(base), None) if how(LikePart::Watermarks) != Merging::Excluding => Some(base),
        (_, new) => new,
    };
    let key = match (base_elements.key, new.elements.key) {
        (Some(_), Some(_)) if how(LikePart::Constraints) != Merging::Excluding => {
            let hint = "EXCLUDING CONSTRAINTS uses that of the new one";
            return Err(both(like, "a primary key", hint, at));
        }
        (Some(base), None) if how(LikePart::Constraints) != Merging::Excluding => Some(base),
        (_, new) => new,
    };
    let partitioned = match (partitioned.is_empty(), new.partitioned.is_empty()) {
        (false, false) if how(LikePart::Partitions) != Merging::Excluding => {
            return Err(both(like, "partitions", "EXCLUDING PARTITIONS uses those of the new one", at));
        }
        (false, true) if how(LikePart::Partitions) != Merging::Excluding => partitioned,
        _ => new.partitioned,
    };
    let distribution = match new.distribution {
        None if how(LikePart::Distribution) != Merging::Excluding => distribution,
        new => new,
    };
    let options = merge_options(options, new.options, like, how(LikePart::Options))?;
    let elements = TableElements { columns, watermark, key, names: Vec::new() };
    Ok(CreateTable { elements, partitioned, distribution, options, like: None, ..new })
}

/// Returns how a part is merged: as the statement says of it, or of all parts, or by default.
fn merging(like: &Like, part: LikePart) -> Merging {
    let said = |part| like.features.iter().find(|feature| feature.part == part).map(|f| f.merging);
    let default = if part == LikePart::Options { Merging::Overwriting } else { Merging::Including };
    said(part).or_else(|| said(LikePart::All)).unwrap_or(default)
}

/// Returns the part that a column belongs to; ALL for physical ones, which belong to none.
fn part_of(kind: &ColumnKind) -> LikePart {
    match kind {
        ColumnKind::Physical { .. } => LikePart::All,
        ColumnKind::Metadata { .. } => LikePart::Metadata,
        ColumnKind::Computed(_) => LikePart::Generated,
    }
}

/// Adds a column of the new table, or puts it in the place of that of the other one.
fn add_column(
    columns: &mut Vec<ColumnDef>,
    column: ColumnDef,
    like: &Like,
    how: impl Fn(LikePart) -> Merging,
) -> SqlResult<()> {
    let Some(existing) = columns.iter_mut().find(|existing| existing.name == column.name) else {
        columns.push(column);
        return Ok(());
    };
    let part = part_of(&column.kind);
    if part != LikePart::All && part == part_of(&existing.kind) && how(part) == Merging::Overwriting {
        *existing = column;
        return Ok(());
    }
    let hint = match part_of(&existing.kind) {
        LikePart::Generated => "EXCLUDING GENERATED or OVERWRITING GENERATED uses that of the new one",
        LikePart::Metadata => "EXCLUDING METADATA or OVERWRITING METADATA uses that of the new one",
        _ => "a column of events is always taken over",
    };
    Err(both(like, &format!("column {}", column.name), hint, column.position.0))
}

fn merge_options(
    base: Vec<OptionDef>,
    new: Vec<OptionDef>,
    like: &Like,
    how: Merging,
) -> SqlResult<Vec<OptionDef>> {
    let mut options = match how {
        Merging::Excluding => Vec::new(),
        Merging::Including | Merging::Overwriting => base,
    };
    for option in new {
        match options.iter_mut().find(|existing| existing.key == option.key) {
            Some(existing) if how == Merging::Overwriting => *existing = option,
            Some(_) => {
                let what = format!("option '{}'", option.key);
                let hint = "EXCLUDING OPTIONS or OVERWRITING OPTIONS uses that of the new one";
                return Err(both(like, &what, hint, option.position.0));
            }
            None => options.push(option),
        }
    }
    Ok(options)
}

fn both(like: &Like, what: &str, hint: &str, at: Position) -> SqlError {
    let text = format!("table {} and the new table both have {what}: {hint}", like.path.to_name());
    SqlError::new(SqlErrorKind::InvalidQuery, text).at(at)
}
