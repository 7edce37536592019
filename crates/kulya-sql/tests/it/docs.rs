//! Runs the examples of docs/sql.md: the statements of each `sql` block, in order and in one session on a
//! store of their own, and the `text` block after it, which is the result of the last statement, as
//! `kulya sql` prints it; the file `orders.csv` is the one of the tests. `KULYA_REGENERATE=1` writes
//! the results of now into the page, to be reviewed.

use crate::slt::session_on_a_new_store;
use kulya_sql::{OutputFormat, Session};
use std::path::Path;

/// A block of statements, and the lines of the page that show their result.
struct Example<'a> {
    /// The number of the line that opens the block.
    line: usize,
    statements: String,
    /// The position of the first line within the result's block, and its lines.
    result: Option<(usize, Vec<&'a str>)>,
}

fn examples<'a>(page: &[&'a str]) -> Vec<Example<'a>> {
    let block_from = |start: usize| {
        let end = page[start..].iter().position(|line| *line == "```").expect("a block is closed");
        page[start..start + end].to_vec()
    };
    let mut examples = Vec::new();
    for (at, _) in page.iter().enumerate().filter(|(_, line)| **line == "```sql") {
        let statements = block_from(at + 1);
        // the closing line, and an empty one
        let after = at + 3 + statements.len();
        let result = (page.get(after) == Some(&"```text")).then(|| (after + 1, block_from(after + 1)));
        examples.push(Example { line: at + 1, statements: statements.join("\n"), result });
    }
    examples
}

/// Returns what the last statement prints.
async fn printed(session: &mut Session, statements: &str) -> String {
    match session.execute(statements).await {
        Ok(results) => results.last().expect("a block has a statement").write(OutputFormat::Table).unwrap(),
        Err(error) => format!("error: {error}"),
    }
}

#[tokio::test]
async fn the_examples_of_the_page_have_their_results() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sql.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let page: Vec<&str> = text.lines().collect();
    let mut session = session_on_a_new_store().await.allow_files();
    let (mut now, mut copied, mut failures) = (Vec::new(), 0, Vec::new());
    let (mut count, mut results) = (0, 0);
    for example in examples(&page) {
        count += 1;
        let statements = example.statements.replace("'orders.csv'", "'tests/data/files/orders.csv'");
        let printed = printed(&mut session, &statements).await;
        let lines: Vec<String> = printed.lines().map(|line| line.trim_end().to_owned()).collect();
        let Some((start, expected)) = example.result else {
            if printed.starts_with("error:") {
                failures.push(format!("docs/sql.md:{}: {printed}", example.line));
            }
            continue;
        };
        results += 1;
        if lines != expected {
            failures.push(format!("docs/sql.md:{}:\n{}", example.line, lines.join("\n")));
        }
        now.extend(page[copied..start].iter().map(|line| (*line).to_owned()));
        now.extend(lines);
        copied = start + expected.len();
    }
    if std::env::var_os("KULYA_REGENERATE").is_some() {
        now.extend(page[copied..].iter().map(|line| (*line).to_owned()));
        std::fs::write(&path, now.join("\n") + "\n").unwrap();
    }
    assert!(failures.is_empty(), "{} of {count} examples:\n{}", failures.len(), failures.join("\n\n"));
    assert!(count > 0 && results > 0, "the page has {count} examples, {results} with a result");
}
