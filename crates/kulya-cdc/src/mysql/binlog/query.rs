//! QUERY: a statement with the session's settings that its meaning depends on. The text is in the character
//! set of the client ([`QueryVariables::charset`]).

use super::compression;
use super::error::BinlogError;
use super::reader::{Reader, utf8};
use std::borrow::Cow;

type Result<T> = std::result::Result<T, BinlogError>;

const PART: &str = "a statement";
const VARIABLES: &str = "a statement's status variables";
/// Length of the fixed part in bytes.
pub(super) const POST_HEADER_LENGTH: usize = 13;
/// The same of LOAD DATA, which has the number of a file, a place in the text and a flag behind it.
pub(super) const LOAD_POST_HEADER_LENGTH: usize = 26;

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query<'a> {
    /// The connection's number.
    pub thread_id: u32,
    /// How long the statement took, in seconds.
    pub duration_seconds: u32,
    /// The error that the statement ended with on the server, else 0.
    pub error_code: u16,
    /// The session's settings.
    pub variables: QueryVariables<'a>,
    /// The default database; empty if there is none.
    pub schema: &'a str,
    /// The text, in the client's character set.
    pub sql: Cow<'a, [u8]>,
}

/// Settings of a statement's session. Servers write those that can matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryVariables<'a> {
    /// Bits of session options, such as `foreign_key_checks`.
    pub flags: Option<u32>,
    /// Bits of `sql_mode`.
    pub sql_mode: Option<u64>,
    /// The statement's character set and collations.
    pub charset: Option<QueryCharset>,
    /// The default database's collation.
    pub database_collation: Option<u16>,
    /// The default collation of utf8mb4.
    pub utf8mb4_collation: Option<u16>,
    /// The session's time zone.
    pub time_zone: Option<&'a str>,
    /// The fraction of the header's timestamp, in microseconds.
    pub microseconds: Option<u32>,
    /// The transaction of a DDL statement.
    pub ddl_xid: Option<u64>,
    /// Whether a variable was not known, so that those after it are missing here.
    pub is_incomplete: bool,
}

impl QueryVariables<'_> {
    /// Whether double quotes enclose names, not texts.
    pub fn is_ansi_quotes(&self) -> bool {
        self.sql_mode.is_some_and(|mode| mode & 0x4 != 0)
    }

    /// Whether a backslash in a text stands for itself.
    pub fn is_no_backslash_escapes(&self) -> bool {
        self.sql_mode.is_some_and(|mode| mode & 0x10_0000 != 0)
    }
}

/// Collation numbers of a statement's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryCharset {
    /// `character_set_client`: the character set of the text.
    pub client: u16,
    /// `collation_connection`.
    pub connection: u16,
    /// `collation_server`.
    pub server: u16,
}

impl<'a> Query<'a> {
    /// Decodes an event's bytes after the header; a compressed text may have `limit` bytes.
    pub(super) fn decode(body: &'a [u8], post_header: usize, compressed_limit: Option<u64>) -> Result<Self> {
        let mut reader = Reader::new(body);
        let mut fixed = Reader::new(reader.take(post_header, PART)?);
        let thread_id = fixed.u32(PART)?;
        let duration_seconds = fixed.u32(PART)?;
        let schema_length = usize::from(fixed.u8(PART)?);
        let error_code = fixed.u16(PART)?;
        let variables_length = usize::from(fixed.u16(PART)?);
        let variables = QueryVariables::decode(reader.take(variables_length, VARIABLES)?)?;
        let schema = utf8(reader.take(schema_length, PART)?, "a database name")?;
        reader.u8(PART)?; // the zero byte after the database
        let sql = match compressed_limit {
            None => Cow::Borrowed(reader.rest()),
            Some(limit) => Cow::Owned(compression::decompress_event(reader.rest(), limit, PART)?),
        };
        Ok(Self { thread_id, duration_seconds, error_code, variables, schema, sql })
    }
}

impl<'a> QueryVariables<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let mut variables = Self::default();
        while !reader.is_empty() {
            let code = reader.u8(VARIABLES)?;
            if !variables.read(code, &mut reader)? {
                variables.is_incomplete = true;
                break;
            }
        }
        Ok(variables)
    }

    /// Reads the value of a variable; false for an unknown variable, whose length is not known either.
    fn read(&mut self, code: u8, reader: &mut Reader<'a>) -> Result<bool> {
        match code {
            0 => self.flags = Some(reader.u32(VARIABLES)?),
            1 => self.sql_mode = Some(reader.u64(VARIABLES)?),
            4 => {
                let mut next = || reader.u16(VARIABLES);
                self.charset = Some(QueryCharset { client: next()?, connection: next()?, server: next()? });
            }
            5 => self.time_zone = Some(utf8(reader.short_bytes(VARIABLES)?, VARIABLES)?),
            8 => self.database_collation = Some(reader.u16(VARIABLES)?),
            // 128 is MariaDB's
            13 | 128 => self.microseconds = Some(reader.uint(3, VARIABLES)? as u32),
            17 | 129 => self.ddl_xid = Some(reader.u64(VARIABLES)?),
            18 => self.utf8mb4_collation = Some(reader.u16(VARIABLES)?),
            _ => return skip(code, reader),
        }
        Ok(true)
    }
}

/// Skips the value of a variable without meaning here; false for an unknown variable.
fn skip(code: u8, reader: &mut Reader<'_>) -> Result<bool> {
    let length = match code {
        // the catalog, with a zero byte at its end
        2 => usize::from(reader.u8(VARIABLES)?) + 1,
        3 | 10 => 4,       // auto_increment, length of the event at the first server
        7 => 2,            // lc_time_names
        9 => 8,            // tables of a multi-table UPDATE
        16 | 19 | 20 => 1, // explicit_defaults_for_timestamp, sql_require_primary_key, default_table_encryption
        6 => usize::from(reader.u8(VARIABLES)?), // the catalog
        11 => {
            reader.short_bytes(VARIABLES)?; // the user
            usize::from(reader.u8(VARIABLES)?) // the host
        }
        12 => {
            skip_updated_databases(reader)?;
            0
        }
        130 => match reader.u8(VARIABLES)? & 0xc {
            0 => 0,
            _ => 8, // the start of an ALTER, as in the GTID
        },
        131 => usize::from(reader.u8(VARIABLES)?) * 4, // character_set_collations
        _ => return Ok(false),
    };
    reader.take(length, VARIABLES)?;
    Ok(true)
}

fn skip_updated_databases(reader: &mut Reader<'_>) -> Result<()> {
    let count = reader.u8(VARIABLES)?;
    // 254 stands for too many databases to be listed
    for _ in 0..if count == 254 { 0 } else { count } {
        reader.zero_terminated(VARIABLES)?;
    }
    Ok(())
}
