//! Files of a git revision, read by running `git`.

use anyhow::{Context, Result, bail};
use kulya_schema::limits::MAX_SCHEMA_BYTES;
use std::ffi::OsStr;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A revision of the repository that a folder belongs to.
#[derive(Debug, Clone)]
pub(super) struct Revision {
    folder: PathBuf,
    /// The path of the folder in the repository, empty or with a slash at its end.
    prefix: String,
    /// The object id of the revision's files.
    tree: String,
}

impl Revision {
    /// Finds a revision, such as `main` or `HEAD~1`.
    ///
    /// # Errors
    /// There is no git, the folder is in no repository, or the repository has no such revision.
    pub(super) fn open(folder: &Path, revision: &str) -> Result<Self> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let prefix = run(folder, ["rev-parse", "--show-prefix"])
            .with_context(|| format!("{} is not in a git repository", folder.display()))?;
        let tree = format!("{revision}^{{tree}}");
        let tree = run(folder, ["rev-parse", "--verify", "--end-of-options", &tree])
            .with_context(|| format!("git has no revision {revision:?} of {}", folder.display()))?;
        let text =
            |bytes: Vec<u8>| String::from_utf8(bytes).map(|text| text.trim_end_matches('\n').to_owned());
        let what = "git printed a path that is not UTF-8";
        Ok(Self {
            folder: folder.to_owned(),
            prefix: text(prefix).context(what)?,
            tree: text(tree).context(what)?,
        })
    }

    /// Returns the files at and below the folder, by their paths from there.
    ///
    /// # Errors
    /// git fails.
    pub(super) fn files(&self) -> Result<Vec<String>> {
        // from the root of the repository: without it, git takes the tree for that of the folder
        let arguments = ["ls-tree", "-r", "-z", "--full-tree", "--name-only", &self.tree];
        let listed = match self.prefix.as_str() {
            "" => run(&self.folder, arguments)?,
            prefix => run(&self.folder, arguments.into_iter().chain(["--", prefix]))?,
        };
        let paths = listed.split(|byte| *byte == 0).filter_map(|path| std::str::from_utf8(path).ok());
        Ok(paths
            .filter_map(|path| path.strip_prefix(&self.prefix))
            .filter(|path| !path.is_empty())
            .map(str::to_owned)
            .collect())
    }

    /// Returns the content of a file by its path from the folder; `None` if the revision has no such file.
    ///
    /// # Errors
    /// git fails, or the file is larger than a schema may be.
    pub(super) fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let object = format!("{}:{}{path}", self.tree, self.prefix);
        let mut git = command(&self.folder, ["cat-file", "blob", &object])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(without_git)?;
        let mut data = Vec::new();
        let mut output = git.stdout.take().context("git has no output")?;
        output.by_ref().take(MAX_SCHEMA_BYTES as u64 + 1).read_to_end(&mut data)?;
        if data.len() > MAX_SCHEMA_BYTES {
            git.kill()?;
            git.wait()?;
            bail!("{path} is too large at that revision: a schema has at most {MAX_SCHEMA_BYTES} bytes");
        }
        Ok(git.wait()?.success().then_some(data))
    }
}

fn command<'a>(folder: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments.into_iter().map(OsStr::new)).stdin(Stdio::null());
    command
}

/// Runs git and returns its output.
fn run<'a>(folder: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Result<Vec<u8>> {
    let output = command(folder, arguments).output().map_err(without_git)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let reason = String::from_utf8_lossy(&output.stderr);
    bail!("git: {}", reason.lines().next().unwrap_or("it failed without a reason"))
}

fn without_git(error: std::io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::NotFound => anyhow::anyhow!("cannot run git, which --against needs: install git"),
        _ => anyhow::Error::new(error).context("cannot run git"),
    }
}
