//! Resolution of references: URIs of RFC 3986 §5.2 and JSON pointers of RFC 6901, within one document.

/// Splits a reference into the URI of the document and the fragment.
pub(crate) fn split(reference: &str) -> (&str, &str) {
    reference.split_once('#').unwrap_or((reference, ""))
}

/// Resolves `reference` against `base`, without a fragment.
pub(crate) fn join(base: &str, reference: &str) -> String {
    let (reference, _) = split(reference);
    if reference.is_empty() {
        return base.to_owned();
    }
    if scheme(reference).is_some() {
        return reference.to_owned();
    }
    let scheme = scheme(base).unwrap_or_default();
    let after_scheme = base.get(scheme.len()..).unwrap_or_default();
    if reference.starts_with("//") {
        return format!("{scheme}{reference}");
    }
    let (authority, path) = match after_scheme.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find(['/', '?']).map_or(after_scheme.len(), |end| end + 2);
            after_scheme.split_at(end)
        }
        None => ("", after_scheme),
    };
    let path = path.split('?').next().unwrap_or_default();
    let (reference_path, query) = match reference.find('?') {
        Some(start) => reference.split_at(start),
        None => (reference, ""),
    };
    let merged = if reference_path.is_empty() {
        path.to_owned()
    } else if reference_path.starts_with('/') {
        remove_dot_segments(reference_path)
    } else {
        let folder = path
            .rfind('/')
            .map_or(if authority.is_empty() { "" } else { "/" }, |end| path.get(..=end).unwrap_or_default());
        remove_dot_segments(&format!("{folder}{reference_path}"))
    };
    format!("{scheme}{authority}{merged}{query}")
}

/// Returns whether a URI is absolute: it does not depend on where it is written.
pub(crate) fn is_absolute(uri: &str) -> bool {
    scheme(uri).is_some()
}

/// Returns the scheme of a URI with its colon, such as `https:`.
fn scheme(uri: &str) -> Option<&str> {
    let colon = uri.find(':')?;
    let (name, _) = uri.split_at(colon);
    let first = name.chars().next()?;
    let is_valid = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    (first.is_ascii_alphabetic() && is_valid).then(|| uri.get(..=colon).unwrap_or_default())
}

fn remove_dot_segments(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for segment in path.split('/') {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => {
                if segments.last().is_some_and(|last| !last.is_empty()) || segments.len() > 1 {
                    segments.pop();
                }
            }
            segment => segments.push(segment),
        }
    }
    let slash = if ends_in_folder { "/" } else { "" };
    format!("{}{slash}", segments.join("/"))
}

/// Decodes the percent escapes of a fragment; returns it unchanged if they are not valid UTF-8.
pub(super) fn percent_decode(fragment: &str) -> String {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((byte, ahead)) = rest.split_first() {
        let pair = ahead.get(..2).filter(|pair| *byte == b'%' && pair.iter().all(u8::is_ascii_hexdigit));
        let pair = pair.and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = ahead.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*byte);
                rest = ahead;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| fragment.to_owned())
}

/// Escapes a member's name as a token of a JSON pointer.
pub(super) fn escape_token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
