//! Fuzz entry point for what a PostgreSQL server sends: frames, messages of `pgoutput`, lines of COPY, and
//! their values as a row of a table and as values of every kind.

mod kinds;
mod rows;

use super::connection::fuzzing as connection;
use super::copy_line::CopyLine;
use super::pgoutput::{Cell, Message, OldTuple, Tuple, decode, decode_cut_change};
use super::settings::Target;
use super::streamed;
use crate::CaptureSettings;
use rows::LogTables;
use std::sync::LazyLock;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let url = "postgres://me:secret@db/shop".to_owned();
    CaptureSettings { url, ..Default::default() }.postgres_target().expect("the URL is valid")
});

/// Reads bytes; the first one selects what they are, and the modes of values.
pub(crate) fn run(bytes: &[u8]) {
    check_message(bytes);
    let Some((selector, rest)) = bytes.split_first() else { return };
    let mut tables = LogTables::new(usize::from(selector / 3));
    match selector % 3 {
        0 => connection::read(rest, &TARGET, |data| read_message(data, &mut tables)),
        1 => {
            let mut rest = rest;
            while let Some((length, tail)) = rest.split_first_chunk::<2>() {
                let length = usize::from(u16::from_be_bytes(*length)).min(tail.len());
                let (message, tail) = tail.split_at(length);
                read_message(message, &mut tables);
                rest = tail;
            }
        }
        _ => read_lines(rest),
    }
}

/// Checks that the beginning of a change has the cells of its first row.
fn check_message(bytes: &[u8]) {
    let cut = decode_cut_change(bytes);
    let Some(message) = decode(bytes) else { return };
    let (relation, cells) = match message {
        Message::Insert { relation, new } | Message::Update { relation, old: None, new } => (relation, new),
        Message::Update { relation, old: Some(old), .. } | Message::Delete { relation, old } => {
            (relation, cells_of(old))
        }
        _ => return,
    };
    let cut = cut.expect("a change begins with a change");
    assert_eq!((cut.relation, cut.cells), (relation, cells));
}

fn cells_of(old: OldTuple<'_>) -> Tuple<'_> {
    match old {
        OldTuple::Key(cells) | OldTuple::Full(cells) => cells,
    }
}

/// Reads a message as one outside of the blocks of unfinished transactions, and as one of a block.
fn read_message(bytes: &[u8], tables: &mut LogTables) {
    read_plain_message(bytes, tables);
    let control = streamed::decode_control(bytes);
    assert!(control.is_none() || streamed::is_control(bytes));
    if let Some(message) = streamed::split(bytes) {
        assert!(control.is_none() && message.described_relation().is_none_or(|_| message.kind == b'R'));
        read_plain_message(&[&[message.kind], message.body].concat(), tables);
    }
}

fn read_plain_message(bytes: &[u8], tables: &mut LogTables) {
    check_message(bytes);
    if let Some(message) = decode(bytes) {
        tables.read(&message);
    } else if let Some(cut) = decode_cut_change(bytes) {
        tables.read_cut(&cut);
    }
}

/// Reads lines of COPY; each field is written as a value of every kind.
fn read_lines(bytes: &[u8]) {
    let mut line = CopyLine::default();
    for text in bytes.split_inclusive(|byte| *byte == b'\n').take(8) {
        let cells = line.parse(text);
        assert!(cells.len() <= text.len() + 1);
        for cell in cells.iter().take(8) {
            if let Cell::Text(text) = cell {
                assert!(text.len() <= bytes.len());
                kinds::write_as_every_kind(text);
            }
        }
    }
}
