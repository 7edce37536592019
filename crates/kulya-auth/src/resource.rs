//! The names of the resources that permissions are granted on, as the Pravega servers spell them.
//!
//! `prn::/` is the root of all resources. `prn::/namespace:NS`, `prn::/namespace:NS/group:G` and the parts of
//! a group (`…/schemas:*`, `…/codecs:*`) belong to the registry; namespace and group are form-encoded as
//! Java's `URLEncoder` does. `prn::/scope:S`, `prn::/scope:S/stream:T` and `prn::/scope:S/key-value-table:T`
//! belong to the store.

use std::fmt::Write;

/// The configurable words in the names of resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceNames {
    /// The prefix of every resource: `prn`.
    pub domain: String,
    /// The word for a namespace of the registry: `namespace`.
    pub namespace: String,
    /// The word for a group of the registry: `group`.
    pub group: String,
}

impl Default for ResourceNames {
    fn default() -> Self {
        let [domain, namespace, group] = ["prn", "namespace", "group"].map(str::to_owned);
        Self { domain, namespace, group }
    }
}

impl ResourceNames {
    /// Returns the root of all resources.
    pub fn root(&self) -> String {
        format!("{}::/", self.domain)
    }

    /// Returns a namespace; the default namespace, whose name is empty, is the root.
    pub fn namespace(&self, namespace: &str) -> String {
        if namespace.is_empty() {
            return self.root();
        }
        self.qualified_namespace(namespace)
    }

    /// Returns a namespace, where the default namespace is not the root but a namespace with an empty name.
    pub fn qualified_namespace(&self, namespace: &str) -> String {
        format!("{}{}:{}", self.root(), self.namespace, form_encode(namespace))
    }

    /// Returns a group.
    pub fn group(&self, namespace: &str, group: &str) -> String {
        let (namespace, word) = (self.qualified_namespace(namespace), &self.group);
        format!("{namespace}/{word}:{}", form_encode(group))
    }

    /// Returns the schemas of a group.
    pub fn schemas(&self, namespace: &str, group: &str) -> String {
        format!("{}/schemas:*", self.group(namespace, group))
    }

    /// Returns the codecs of a group.
    pub fn codecs(&self, namespace: &str, group: &str) -> String {
        format!("{}/codecs:*", self.group(namespace, group))
    }

    /// Returns a scope of the store.
    pub fn scope(&self, scope: &str) -> String {
        format!("{}scope:{scope}", self.root())
    }

    /// Returns a stream.
    pub fn stream(&self, scope: &str, stream: &str) -> String {
        format!("{}/stream:{stream}", self.scope(scope))
    }

    /// Returns a table.
    pub fn table(&self, scope: &str, table: &str) -> String {
        format!("{}/key-value-table:{table}", self.scope(scope))
    }

    /// The common prefix of all system scopes.
    pub(crate) fn system_scopes(&self) -> String {
        self.scope("_")
    }
}

/// Encodes as Java's `URLEncoder`: letters, digits and `.-*_` stay, a space becomes `+`.
fn form_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => encoded.push(byte.into()),
            b' ' => encoded.push('+'),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_written_as_the_java_servers_do() {
        let names = ResourceNames::default();
        for (made, expected) in [
            (names.root(), "prn::/"),
            (names.namespace(""), "prn::/"),
            (names.namespace("a b/c"), "prn::/namespace:a+b%2Fc"),
            (names.group("", "g"), "prn::/namespace:/group:g"),
            (names.group("ns", "scope/stream"), "prn::/namespace:ns/group:scope%2Fstream"),
            (names.schemas("ns", "é*~"), "prn::/namespace:ns/group:%C3%A9*%7E/schemas:*"),
            (names.codecs("", "g"), "prn::/namespace:/group:g/codecs:*"),
            (names.scope("s"), "prn::/scope:s"),
            (names.stream("s", "t"), "prn::/scope:s/stream:t"),
            (names.table("s", "t"), "prn::/scope:s/key-value-table:t"),
        ] {
            assert_eq!(made, expected);
        }
        let other = ResourceNames { domain: "d".into(), namespace: "n".into(), group: "g".into() };
        assert_eq!(other.group("x", "y"), "d::/n:x/g:y");
    }
}
