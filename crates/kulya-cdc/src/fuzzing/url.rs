//! Fuzz entry point for the URLs of databases.

use crate::CaptureSettings;
use crate::mysql::connection::ConnectionSettings;
use std::fmt::Debug;

/// Shortest password whose appearance in a text is no coincidence, in bytes.
const MIN_SECRET_BYTES: usize = 6;
/// Characters that no name of a setting has.
const SECRET_CHARACTERS: [char; 3] = ['~', '!', '$'];

/// Reads a text as the URL of a database, and, behind a line break, the name of the capture. A parsed URL's
/// password is in no debug output.
pub fn replication_url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (url, name) = text.split_once('\n').unwrap_or((&text, ""));
    let settings =
        |name: &str| CaptureSettings { url: url.to_owned(), name: name.to_owned(), ..Default::default() };
    assert!(!settings(name).store_settings().is_err_and(|error| error.to_string().is_empty()));
    // other names are changed to those of scopes, which may give the password
    let settings = settings("shop");
    if let Ok(target) = settings.clone().postgres_target() {
        assert!(!target.hosts.is_empty() && target.hosts.iter().all(|(host, _)| !host.is_empty()));
        assert!(!target.user.is_empty() && !target.database.is_empty() && !target.settings.slot.is_empty());
        assert_hidden(url, &target.password, &target);
        assert_hidden(url, &target.password, &target.settings);
    }
    if let Ok(target) = settings.mysql_target() {
        assert!(target.server_id > 0);
        assert_hidden(url, &target.connection.password, &target);
    }
    if let Ok(connection) = ConnectionSettings::parse(url) {
        let again = ConnectionSettings::parse(&format!("mysql://me@{}", connection.server()));
        let again = again.expect("the address of a URL is one of another URL");
        assert_eq!((again.host, again.port), (connection.host, connection.port));
    }
}

/// Checks that the password is not shown, if it is nothing else in the URL.
fn assert_hidden(url: &str, password: &str, value: &impl Debug) {
    let is_secret = password.len() >= MIN_SECRET_BYTES && password.contains(SECRET_CHARACTERS);
    if is_secret && url.matches(password).count() == 1 {
        let shown = format!("{value:?}");
        assert!(!shown.contains(password), "{shown}");
    }
}
