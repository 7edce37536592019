//! Where references lead: URIs of RFC 3986 §5.2 and JSON pointers of RFC 6901, inside one document.

/// A reference in its two parts: what names a document, and what names a place in it.
pub(super) fn split(reference: &str) -> (&str, &str) {
    reference.split_once('#').unwrap_or((reference, ""))
}

/// `reference` as seen from `base`, without a fragment.
pub(super) fn join(base: &str, reference: &str) -> String {
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
    let (own_path, query) = match reference.find('?') {
        Some(at) => reference.split_at(at),
        None => (reference, ""),
    };
    let merged = if own_path.is_empty() {
        path.to_owned()
    } else if own_path.starts_with('/') {
        without_dots(own_path)
    } else {
        let folder = path
            .rfind('/')
            .map_or(if authority.is_empty() { "" } else { "/" }, |end| path.get(..=end).unwrap_or_default());
        without_dots(&format!("{folder}{own_path}"))
    };
    format!("{scheme}{authority}{merged}{query}")
}

/// `https:` of a URI that has a scheme.
fn scheme(uri: &str) -> Option<&str> {
    let colon = uri.find(':')?;
    let (word, _) = uri.split_at(colon);
    let first = word.chars().next()?;
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    (first.is_ascii_alphabetic() && plain).then(|| uri.get(..=colon).unwrap_or_default())
}

fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for step in path.split('/') {
        ends_in_folder = matches!(step, "." | "..");
        match step {
            "." => {}
            ".." => {
                if kept.last().is_some_and(|last| !last.is_empty()) || kept.len() > 1 {
                    kept.pop();
                }
            }
            step => kept.push(step),
        }
    }
    let slash = if ends_in_folder { "/" } else { "" };
    format!("{}{slash}", kept.join("/"))
}

/// A fragment without its percent signs; as it is when they make no text.
pub(super) fn decoded(fragment: &str) -> String {
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

/// A member's name as a step of a JSON pointer.
pub(super) fn step(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
