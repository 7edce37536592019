//! The history of the SQL prompt: a file that only its owner can read, without statements that may contain
//! secrets.

use super::editor::StatementEditor;
use std::path::{Path, PathBuf};

/// Words in the names of options whose values are secrets.
const SECRET_WORDS: [&str; 6] = ["token", "password", "passwd", "secret", "credential", "security."];

/// A user's history file.
pub(super) struct History {
    path: Option<PathBuf>,
}

impl History {
    /// Loads the history file of the home folder into the editor.
    pub(super) fn load(editor: &mut StatementEditor) -> Self {
        let path = std::env::home_dir().map(|home| home.join(".kulya_history"));
        if let Some(path) = &path {
            // an unreadable history counts as empty
            let _ = editor.load_history(path);
        }
        Self { path }
    }

    /// Adds a statement to the editor's history and to the file, unless it may contain a secret.
    pub(super) fn add(&self, editor: &mut StatementEditor, statement: &str) {
        if may_contain_secret(statement) {
            return;
        }
        let _ = editor.add_history_entry(statement);
        if let Some(path) = &self.path {
            let _ = restrict_to_owner(path)
                .and_then(|()| editor.append_history(path).map_err(std::io::Error::other));
        }
    }
}

/// Whether a statement may contain a password or a token.
fn may_contain_secret(statement: &str) -> bool {
    let lower = statement.to_ascii_lowercase();
    let names_secret = SECRET_WORDS.iter().any(|word| lower.contains(word));
    // a URL may contain a password before the host
    let in_url = lower.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '\'', ' ', '?']).next().unwrap_or_default();
        authority.contains('@')
    });
    in_url || (names_secret && ["catalog", "with", "set"].iter().any(|word| lower.contains(word)))
}

/// Creates the file, or removes everybody else's permissions on it.
fn restrict_to_owner(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_with_secrets_are_recognised() {
        for secret in [
            "CREATE CATALOG c WITH ('type'='pravega', 'security.auth-token' = 'x');",
            "create catalog c\nwith ('controller-uri' = 'http://me:x@h:1')",
            "SET 'password' = 'x'",
        ] {
            assert!(may_contain_secret(secret), "{secret}");
        }
        for none in [
            "SELECT token FROM logins WHERE mail = 'a@b.example'",
            "CREATE CATALOG c WITH ('type' = 'pravega', 'controller-uri' = 'tcp://h:1')",
            "SHOW TABLES",
        ] {
            assert!(!may_contain_secret(none), "{none}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn file_is_readable_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        restrict_to_owner(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
    }
}
