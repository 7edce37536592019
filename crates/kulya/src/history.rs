//! What the SQL prompt remembers of what was typed: a file that its owner alone can read, without secrets.

use rustyline::DefaultEditor;
use std::path::{Path, PathBuf};

/// Words that stand before a secret in a statement's options.
const SECRETS: [&str; 6] = ["token", "password", "passwd", "secret", "credential", "security."];

/// The file of a user's history.
pub(crate) struct History {
    path: Option<PathBuf>,
}

impl History {
    /// The one in the home folder; what it holds is loaded into the editor.
    pub(crate) fn of_home(editor: &mut DefaultEditor) -> Self {
        let path = std::env::home_dir().map(|home| home.join(".kulya_history"));
        if let Some(path) = &path {
            // a history that cannot be read is none
            let _ = editor.load_history(path);
        }
        Self { path }
    }

    /// Remembers what was typed, in the editor and in the file; a statement that may hold a secret in neither.
    pub(crate) fn add(&self, editor: &mut DefaultEditor, typed: &str) {
        if may_hold_secret(typed) {
            return;
        }
        let _ = editor.add_history_entry(typed);
        if let Some(path) = &self.path {
            let _ =
                only_owner(path).and_then(|()| editor.append_history(path).map_err(std::io::Error::other));
        }
    }
}

/// Whether a statement may hold a password or a token.
fn may_hold_secret(typed: &str) -> bool {
    let lower = typed.to_ascii_lowercase();
    let names_one = SECRETS.iter().any(|word| lower.contains(word));
    // a URL may have a password before the host
    let in_url = lower.split("://").skip(1).any(|behind| {
        let authority = behind.split(['/', '\'', ' ', '?']).next().unwrap_or_default();
        authority.contains('@')
    });
    in_url || (names_one && ["catalog", "with", "set"].iter().any(|word| lower.contains(word)))
}

/// Makes the file, or takes the others' rights on it away.
fn only_owner(path: &Path) -> std::io::Result<()> {
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
    fn statements_with_secrets_are_known() {
        for secret in [
            "CREATE CATALOG c WITH ('type'='pravega', 'security.auth-token' = 'x');",
            "create catalog c\nwith ('controller-uri' = 'http://me:x@h:1')",
            "SET 'password' = 'x'",
        ] {
            assert!(may_hold_secret(secret), "{secret}");
        }
        for none in [
            "SELECT token FROM logins WHERE mail = 'a@b.example'",
            "CREATE CATALOG c WITH ('type' = 'pravega', 'controller-uri' = 'tcp://h:1')",
            "SHOW TABLES",
        ] {
            assert!(!may_hold_secret(none), "{none}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        only_owner(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
    }
}
