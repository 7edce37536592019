//! CREATE TABLE … AS: the definition of a table from the columns of a query, by Flink's rules.
//!
//! Columns that only the statement has come first, then those of the query. A column of both has the type
//! that the statement says. A list of names alone gives the order of the query's columns.

use crate::data_types::type_name;
use crate::dialect::{ColumnDef, ColumnKind, CreateTable, Position, parse_type};
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::datatypes::{Field, Schema};

/// Returns the definition without the query, and for each column of its events the position of that of the
/// query.
///
/// # Errors
/// With the place in the script: `UnknownColumn` for a name that the query does not have, `TypeMismatch` for
/// a column of the query without a type.
pub(crate) fn as_query(create: CreateTable, query: &Schema) -> SqlResult<(CreateTable, Vec<Option<usize>>)> {
    let at = create.path.position.0;
    let mut elements = create.elements;
    let mut fields: Vec<&Field> = query.fields().iter().map(AsRef::as_ref).collect();
    if !elements.names.is_empty() {
        fields = reordered(&elements.names, query, at)?;
        elements.names = Vec::new();
    }
    let mut columns: Vec<ColumnDef> = Vec::new();
    let mut typed: Vec<ColumnDef> = Vec::new();
    for column in elements.columns {
        let is_of_query = matches!(column.kind, ColumnKind::Physical { .. })
            && fields.iter().any(|field| *field.name() == column.name);
        if is_of_query { typed.push(column) } else { columns.push(column) }
    }
    for field in &fields {
        let same = typed.iter().position(|column| column.name == *field.name());
        columns.push(match same {
            Some(index) => typed.remove(index),
            None => column_of(field, at)?,
        });
    }
    let position = |column: &ColumnDef| query.index_of(&column.name).ok();
    let is_physical = |column: &&ColumnDef| matches!(column.kind, ColumnKind::Physical { .. });
    let positions = columns.iter().filter(is_physical).map(position).collect();
    elements.columns = columns;
    Ok((CreateTable { elements, query: None, ..create }, positions))
}

fn reordered<'a>(names: &[String], query: &'a Schema, at: Position) -> SqlResult<Vec<&'a Field>> {
    if names.len() != query.fields().len() {
        let what = format!("{} columns are named, but the query has {}", names.len(), query.fields().len());
        return Err(SqlError::new(SqlErrorKind::InvalidQuery, what).at(at));
    }
    let find = |name: &String| {
        query.field_with_name(name).map_err(|_| {
            let known: Vec<&str> = query.fields().iter().map(|field| field.name().as_str()).collect();
            let what = format!("the query has no column {name}: it has {}", known.join(", "));
            SqlError::new(SqlErrorKind::UnknownColumn, what).at(at)
        })
    };
    names.iter().map(find).collect()
}

fn column_of(field: &Field, at: Position) -> SqlResult<ColumnDef> {
    let (name, text) = (field.name().clone(), type_name(field.data_type()));
    let Ok(mut column_type) = parse_type(&text) else {
        let what = format!("column {name} of the query has no type of a table: write CAST({name} AS …)");
        return Err(SqlError::new(SqlErrorKind::TypeMismatch, what).at(at));
    };
    column_type.nullable = field.is_nullable();
    let kind = ColumnKind::Physical { column_type };
    Ok(ColumnDef { name, kind, comment: None, position: at.into() })
}
