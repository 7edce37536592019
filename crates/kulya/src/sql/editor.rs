//! The editor of the prompt: highlighting, and completion by the session, which another task has.

use kulya_sql::{Completion, Outline, PartKind};
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, Helper};
use std::borrow::Cow;
use std::fmt::Write;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The time after which completion gives up.
const COMPLETION_TIMEOUT: Duration = Duration::from_millis(300);
/// The size of a text beyond which it is not highlighted with each key, in bytes.
const MAX_HIGHLIGHTED: usize = 64 << 10;

/// The most statements that the history keeps.
const MAX_STATEMENTS: usize = 10_000;

/// The editor of statements.
pub(super) type StatementEditor = Editor<StatementHelper, FileHistory>;

/// A text to be completed by the session.
pub(super) struct CompletionRequest {
    pub(super) text: String,
    /// Where the cursor is, in bytes.
    pub(super) cursor: usize,
    pub(super) reply: Sender<Completion>,
}

/// Creates the editor, and the queue of its requests for completion.
///
/// # Errors
/// A terminal that cannot be used.
pub(super) fn new() -> rustyline::Result<(StatementEditor, UnboundedReceiver<CompletionRequest>)> {
    let config = Config::builder()
        .max_history_size(MAX_STATEMENTS)?
        .history_ignore_dups(true)?
        .completion_type(rustyline::CompletionType::List)
        // without a question whether to show them: there are never very many
        .completion_prompt_limit(usize::MAX)
        .bracketed_paste(true)
        .build();
    let (requests, receiver) = unbounded_channel();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(StatementHelper {
        before: String::new(),
        requests,
        files: FilenameCompleter::new(),
    }));
    Ok((editor, receiver))
}

/// What the editor knows of statements.
pub(super) struct StatementHelper {
    /// The lines of the statement before the one that is edited.
    pub(super) before: String,
    requests: UnboundedSender<CompletionRequest>,
    files: FilenameCompleter,
}

impl Helper for StatementHelper {}
impl Validator for StatementHelper {}

impl Hinter for StatementHelper {
    type Hint = String;
}

impl Completer for StatementHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (reply, answer) = channel();
        let text = format!("{}{line}", self.before);
        let cursor = self.before.len() + at;
        if self.requests.send(CompletionRequest { text, cursor, reply }).is_err() {
            return Ok((at, Vec::new()));
        }
        let completion = answer.recv_timeout(COMPLETION_TIMEOUT).unwrap_or_default();
        if completion.is_file {
            return self.files.complete_path(line, at);
        }
        let Some(start) = completion.start.checked_sub(self.before.len()) else {
            return Ok((at, Vec::new()));
        };
        let pair = |text: String| Pair { display: kulya_sql::visible(&text).into_owned(), replacement: text };
        Ok((start, completion.candidates.into_iter().map(pair).collect()))
    }
}

impl Highlighter for StatementHelper {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if self.before.len() + line.len() > MAX_HIGHLIGHTED {
            return Cow::Borrowed(line);
        }
        Cow::Owned(highlighted(&self.before, line))
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        true
    }
}

/// Returns a line with colours; `before` are the lines of the statement before it.
fn highlighted(before: &str, line: &str) -> String {
    let text = format!("{before}{line}");
    let mut coloured = String::with_capacity(2 * line.len());
    let mut end = before.len();
    for part in Outline::new(&text).parts {
        // a part may begin on a former line
        let range = part.range.start.max(end)..part.range.end.max(end);
        coloured.push_str(text.get(end..range.start).unwrap_or_default());
        let shown = text.get(range.clone()).unwrap_or_default();
        match colour(part.kind) {
            Some(colour) if !shown.is_empty() => {
                // a String takes everything
                let _ = write!(coloured, "\x1b[{colour}m{shown}\x1b[0m");
            }
            _ => coloured.push_str(shown),
        }
        end = range.end;
    }
    coloured.push_str(text.get(end..).unwrap_or_default());
    coloured
}

fn colour(kind: PartKind) -> Option<&'static str> {
    match kind {
        PartKind::Keyword => Some("1;34"),
        PartKind::QuotedName => Some("33"),
        PartKind::Text => Some("32"),
        PartKind::Number => Some("36"),
        PartKind::Comment => Some("90"),
        PartKind::Unclosed => Some("31"),
        PartKind::Name | PartKind::Symbol | PartKind::Semicolon => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_colours() {
        assert_eq!(
            highlighted("", "SELECT x, 'a' FROM `t`; -- é"),
            "\x1b[1;34mSELECT\x1b[0m x, \x1b[32m'a'\x1b[0m \x1b[1;34mFROM\x1b[0m \x1b[33m`t`\x1b[0m; \x1b[90m-- é\x1b[0m"
        );
        // a text that began on a former line goes on
        assert_eq!(highlighted("SELECT 'a\n", "b', 1"), "\x1b[32mb'\x1b[0m, \x1b[36m1\x1b[0m");
        assert_eq!(highlighted("SELECT 'a\n", "b, 1"), "\x1b[31mb, 1\x1b[0m");
        assert_eq!(highlighted("", ""), "");
    }
}
