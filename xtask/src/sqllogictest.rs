//! SQLite's sqllogictest: 622 files of queries with their results, in a jar of Maven Central. Files are
//! unpacked into a temporary folder: a sample of each kind for the tests, or whole folders.

use crate::jars;
use crate::server::{TemporaryFolder, TestServers};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;

const POM: &str = include_str!("../sqllogictest/pom.xml");
/// The folder in the jar with all files.
const ROOT: &str = "test";
/// Files of each kind, of which the tests run some queries.
const SAMPLE: [&str; 20] = [
    "select1.test",
    "select2.test",
    "select3.test",
    "select4.test",
    "select5.test",
    "evidence/in1.test",
    "evidence/in2.test",
    "evidence/slt_lang_createview.test",
    "random/aggregates/slt_good_7.test",
    "random/expr/slt_good_7.test",
    "random/groupby/slt_good_7.test",
    "random/select/slt_good_7.test",
    "index/between/10/slt_good_1.test",
    "index/commute/100/slt_good_1.test",
    "index/in/10/slt_good_1.test",
    "index/orderby/10/slt_good_1.test",
    "index/orderby_nosort/100/slt_good_1.test",
    "index/random/1000/slt_good_1.test",
    "index/random/10/slt_good_1.test",
    "index/view/10/slt_good_1.test",
];

/// Returns the jar, fetched by Maven if needed.
///
/// # Errors
/// What is missing.
pub(crate) fn find_or_fetch() -> Result<String> {
    jars::find_or_fetch("sqllogictest-0.3", POM)
}

/// Unpacks the sample.
///
/// # Errors
/// The jar cannot be unpacked.
pub(crate) fn start(jar: &str) -> Result<TestServers> {
    unpack(jar, &SAMPLE)
}

/// Runs all queries of files and folders, such as `select1.test` and `index/between`; of all without any.
/// With `--queries N` so many of each file, evenly distributed. The test that runs them is compiled in
/// release mode: debug mode takes ten times as long.
///
/// # Errors
/// What is missing, and a failed test.
pub(crate) fn run(cargo: &mut Command, arguments: &[&str]) -> Result<()> {
    let jar = find_or_fetch().context("NOT RUN: SQLite's sqllogictest")?;
    let (queries, files) = match arguments {
        ["--sample"] => (None, &SAMPLE[..]),
        ["--queries", count, files @ ..] => {
            let count: usize =
                count.parse().with_context(|| format!("{count:?} is not a number of queries"))?;
            (Some(count), files)
        }
        files => (Some(usize::MAX), files),
    };
    let files = if files.is_empty() { &[""] } else { files };
    let servers = unpack(&jar, files)?;
    cargo.args(["test", "--release", "-p", "kulya-sql", "--test", "it", "--"]);
    cargo.args(["sqllogictest", "--include-ignored", "--nocapture"]);
    cargo.envs(servers.variables.iter().cloned());
    if let Some(queries) = queries {
        cargo.env("KULYA_SQLLOGICTEST_QUERIES", queries.to_string());
    }
    let status = cargo.status().context("cannot run cargo")?;
    ensure!(status.success(), "queries give other values than SQLite's");
    Ok(())
}

/// Unpacks files and folders, and returns the environment variable with the folder.
fn unpack(jar: &str, files: &[&str]) -> Result<TestServers> {
    let folder = TemporaryFolder::new("sqllogictest")?;
    let mut unpack = Command::new("jar");
    unpack.current_dir(folder.path()).arg("xf").arg(Path::new(jar));
    unpack.args(files.iter().map(|file| format!("{ROOT}/{}", file.trim_end_matches('/'))));
    let output = unpack.output().context("jar is not on the PATH: install a JDK 17")?;
    ensure!(output.status.success(), "{jar} cannot be unpacked: {}", String::from_utf8_lossy(&output.stderr));
    let unpacked = folder.path().join(ROOT);
    ensure!(unpacked.is_dir(), "there is nothing of {} in {jar}", files.join(", "));
    let variables = vec![("KULYA_TEST_SQLLOGICTEST", unpacked.into())];
    Ok(TestServers { variables, folders: vec![folder], ..TestServers::default() })
}
