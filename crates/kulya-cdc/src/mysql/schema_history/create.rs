//! CREATE TABLE: a table from its definition, with everything resolved that the definition leaves to
//! defaults.

use super::charset::{Collated, max_bytes};
use super::error::HistoryError;
use super::key;
use super::table::{Column, Table, TableKind, TableName};
use super::versioning;
use crate::mysql::ddl::{
    Charset, ColumnDefinition, ColumnType, DefaultValue, Generated, TableDefinition, TableOptions, TypeName,
};

/// Most columns of a table; the servers allow 4,096.
pub(super) const MAX_COLUMNS: usize = 4_096 + 2;

/// Makes a table of a definition. `database_charset` is the default of the table's database.
pub(super) fn create(
    name: TableName,
    definition: &TableDefinition,
    database_charset: &Collated,
    explicit_timestamps: bool,
) -> Result<Table, HistoryError> {
    let options = &definition.options;
    if options.is_sequence {
        return Ok(sequence(name));
    }
    if definition.columns.len() > MAX_COLUMNS {
        return Err(HistoryError::TooMany { table: name, what: "columns", limit: MAX_COLUMNS });
    }
    let charset = table_charset(options, database_charset, database_charset);
    let mut table = Table {
        name,
        kind: TableKind::Table,
        columns: Vec::with_capacity(definition.columns.len()),
        charset,
        keys: Vec::new(),
        periods: definition.periods.clone(),
        system_versioned: false,
        comment: options.comment.clone(),
    };
    let mut resolver = Resolver::new(&table.charset, explicit_timestamps);
    table.columns.extend(definition.columns.iter().map(|column| resolver.resolve(column)));
    key::check_periods(&table)?;
    for key in &definition.keys {
        key::add(&mut table, key, false)?;
    }
    if options.system_versioning || definition.columns.iter().any(|column| column.system_versioning) {
        versioning::add(&mut table);
    }
    key::finish(&mut table);
    Ok(table)
}

/// The default character set that options give a table, or the present one.
pub(super) fn table_charset(options: &TableOptions, present: &Collated, of_database: &Collated) -> Collated {
    let charset = match &options.charset {
        Some(Charset::Named(charset)) => Some(charset.as_str()),
        Some(Charset::DatabaseDefault) => Some(of_database.charset.as_str()),
        None => None,
    };
    match (&options.charset, options.collation.as_deref()) {
        (Some(Charset::DatabaseDefault), None) => of_database.clone(),
        (_, Some("default")) => Collated::resolve(charset, None, present),
        (_, collation) => Collated::resolve(charset, collation, present),
    }
}

/// Makes columns of the definitions of one statement, in the order written.
pub(super) struct Resolver<'a> {
    table_charset: &'a Collated,
    explicit_timestamps: bool,
    has_timestamp: bool,
}

impl<'a> Resolver<'a> {
    /// Starts a statement on a table with this default character set.
    pub(super) fn new(table_charset: &'a Collated, explicit_timestamps: bool) -> Self {
        Self { table_charset, explicit_timestamps, has_timestamp: false }
    }

    /// Makes a column of its definition.
    pub(super) fn resolve(&mut self, definition: &ColumnDefinition) -> Column {
        let column_type = resolve_type(definition, self.table_charset);
        let is_row_time = matches!(definition.generated, Some(Generated::RowStart | Generated::RowEnd));
        let is_timestamp = column_type.name == TypeName::Timestamp;
        let is_implicit = is_timestamp
            && !self.explicit_timestamps
            && definition.nullable != Some(true)
            && definition.generated.is_none();
        let mut column = Column {
            name: definition.name.clone(),
            former_names: Vec::new(),
            nullable: definition.nullable.unwrap_or(!is_implicit) && !is_row_time,
            column_type,
            default: definition.default.clone(),
            on_update: definition.on_update.clone(),
            auto_increment: definition.auto_increment,
            generated: definition.generated.clone(),
            comment: definition.comment.clone(),
            invisible: definition.invisible,
            hidden: false,
        };
        if is_implicit && column.default.is_none() && column.on_update.is_none() {
            implicit_timestamp(&mut column, !self.has_timestamp);
        }
        self.has_timestamp |= is_timestamp;
        column
    }
}

/// The defaults of a TIMESTAMP without `explicit_defaults_for_timestamp`: the first one of a statement
/// follows the clock.
fn implicit_timestamp(column: &mut Column, is_first: bool) {
    if !is_first {
        column.default = Some(DefaultValue::Text("0000-00-00 00:00:00".to_owned()));
        return;
    }
    let now = match column.column_type.length {
        Some(digits) if digits > 0 => format!("CURRENT_TIMESTAMP({digits})"),
        _ => "CURRENT_TIMESTAMP".to_owned(),
    };
    column.on_update = Some(now.clone());
    column.default = Some(DefaultValue::Expression(now));
}

fn resolve_type(definition: &ColumnDefinition, table_charset: &Collated) -> ColumnType {
    let mut column_type = definition.column_type.clone();
    let (charset, collation) = (column_type.charset.take(), column_type.collation.take());
    if column_type.name.is_text() {
        let mut resolved = Collated::resolve(charset.as_deref(), collation.as_deref(), table_charset);
        if definition.binary_collation && resolved.charset != "binary" {
            resolved.collation = Some(format!("{}_bin", resolved.charset));
        }
        set_charset(&mut column_type, resolved);
    }
    fit_length(&mut column_type);
    column_type
}

/// Gives a text a character set; `binary` makes it a type of bytes.
fn set_charset(column_type: &mut ColumnType, collated: Collated) {
    use TypeName::{Binary, Blob, Char, LongBlob, LongText, MediumBlob, MediumText, Text};
    use TypeName::{TinyBlob, TinyText, VarBinary, VarChar};
    if collated.charset != "binary" || matches!(column_type.name, TypeName::Enum | TypeName::Set) {
        column_type.charset = Some(collated.charset);
        column_type.collation = collated.collation.filter(|collation| collation != "binary");
        return;
    }
    (column_type.charset, column_type.collation) = (None, None);
    column_type.name = match column_type.name {
        Char => Binary,
        VarChar => VarBinary,
        TinyText => TinyBlob,
        Text => Blob,
        MediumText => MediumBlob,
        LongText => LongBlob,
        other => other,
    };
}

/// Chooses the size of a text or blob with a length, and makes a text or blob of a VARCHAR or VARBINARY that
/// is too long, as the server does without strict mode.
fn fit_length(column_type: &mut ColumnType) {
    use TypeName::{Blob, Text, VarBinary, VarChar};
    let Some(length) = column_type.length else { return };
    let per_character = column_type.charset.as_deref().and_then(max_bytes).unwrap_or(1);
    let bytes = u64::from(length) * u64::from(per_character);
    let is_too_long = matches!(column_type.name, VarChar | VarBinary) && bytes > 65_535;
    if is_too_long || matches!(column_type.name, Text | Blob) {
        column_type.name = match column_type.name {
            VarChar | Text => text_of(bytes),
            _ => blob_of(bytes),
        };
        column_type.length = None;
    }
}

fn text_of(bytes: u64) -> TypeName {
    match bytes {
        // without a length
        0 => TypeName::Text,
        1..=255 => TypeName::TinyText,
        256..=65_535 => TypeName::Text,
        65_536..=16_777_215 => TypeName::MediumText,
        _ => TypeName::LongText,
    }
}

fn blob_of(bytes: u64) -> TypeName {
    match text_of(bytes) {
        TypeName::TinyText => TypeName::TinyBlob,
        TypeName::MediumText => TypeName::MediumBlob,
        TypeName::LongText => TypeName::LongBlob,
        _ => TypeName::Blob,
    }
}

/// Changes a text's character set by CONVERT TO. The type of a column that the statement does not define
/// itself grows, so that it can hold as many characters as before.
pub(super) fn convert_charset(column_type: &mut ColumnType, collated: &Collated, grows: bool) {
    if !column_type.name.is_text() || column_type.charset.as_deref() == Some("binary") {
        return;
    }
    let capacity: Option<u64> = match column_type.name {
        _ if !grows => None,
        TypeName::TinyText => Some(255),
        TypeName::Text => Some(65_535),
        TypeName::MediumText => Some(16_777_215),
        _ => None,
    };
    let old = column_type.charset.as_deref().and_then(max_bytes);
    if let (Some(capacity), Some(old), Some(new)) = (capacity, old, collated.max_character_bytes()) {
        column_type.name = text_of(capacity / u64::from(old) * u64::from(new));
    }
    set_charset(column_type, collated.clone());
    fit_length(column_type);
}

/// The table in which MariaDB keeps a sequence.
pub(super) fn sequence(name: TableName) -> Table {
    let columns = [
        ("next_not_cached_value", TypeName::BigInt, false),
        ("minimum_value", TypeName::BigInt, false),
        ("maximum_value", TypeName::BigInt, false),
        ("start_value", TypeName::BigInt, false),
        ("increment", TypeName::BigInt, false),
        ("cache_size", TypeName::BigInt, true),
        ("cycle_option", TypeName::TinyInt, true),
        ("cycle_count", TypeName::BigInt, false),
    ];
    let charset = Collated::new("utf8mb4");
    let column = |(name, type_name, unsigned): (&str, TypeName, bool)| {
        let mut definition =
            ColumnDefinition::new(name, ColumnType { unsigned, ..ColumnType::new(type_name) });
        definition.nullable = Some(false);
        Resolver::new(&charset, true).resolve(&definition)
    };
    Table {
        name,
        kind: TableKind::Sequence,
        columns: columns.into_iter().map(column).collect(),
        charset,
        keys: Vec::new(),
        periods: Vec::new(),
        system_versioned: false,
        comment: None,
    }
}
