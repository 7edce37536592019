//! The names of what rights are given on, in the words of the Java servers.
//!
//! `prn::/` is everything's root; `prn::/namespace:NS`, `prn::/namespace:NS/group:G` and what a group has
//! (`…/schemas:*`, `…/codecs:*`) are the registry's, namespace and group form-encoded as Java's `URLEncoder` does;
//! `prn::/scope:S`, `prn::/scope:S/stream:T` and `prn::/scope:S/key-value-table:T` are the store's.

use std::fmt::Write;

/// What the parts of a resource are called. The Java registry lets them be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// In front of everything: `prn`.
    pub domain: String,
    /// Of a registry's namespace: `namespace`.
    pub namespace: String,
    /// Of a registry's group: `group`.
    pub group: String,
}

impl Default for Names {
    fn default() -> Self {
        let [domain, namespace, group] = ["prn", "namespace", "group"].map(str::to_owned);
        Self { domain, namespace, group }
    }
}

impl Names {
    /// Everything's root.
    pub fn root(&self) -> String {
        format!("{}::/", self.domain)
    }

    /// A namespace; the default one, which is called nothing, is the root.
    pub fn namespace(&self, namespace: &str) -> String {
        if namespace.is_empty() {
            return self.root();
        }
        self.within(namespace)
    }

    /// What is in a namespace, whatever its group. The default one, whose name is empty, is no exception here.
    pub fn within(&self, namespace: &str) -> String {
        format!("{}{}:{}", self.root(), self.namespace, encoded(namespace))
    }

    /// A group.
    pub fn group(&self, namespace: &str, group: &str) -> String {
        let (root, of, called) = (self.root(), &self.namespace, &self.group);
        format!("{root}{of}:{}/{called}:{}", encoded(namespace), encoded(group))
    }

    /// The schemas of a group.
    pub fn schemas(&self, namespace: &str, group: &str) -> String {
        format!("{}/schemas:*", self.group(namespace, group))
    }

    /// The codecs of a group.
    pub fn codecs(&self, namespace: &str, group: &str) -> String {
        format!("{}/codecs:*", self.group(namespace, group))
    }

    /// A scope of the store.
    pub fn scope(&self, scope: &str) -> String {
        format!("{}scope:{scope}", self.root())
    }

    /// A stream.
    pub fn stream(&self, scope: &str, stream: &str) -> String {
        format!("{}/stream:{stream}", self.scope(scope))
    }

    /// A table.
    pub fn table(&self, scope: &str, table: &str) -> String {
        format!("{}/key-value-table:{table}", self.scope(scope))
    }

    /// How the resources of all system scopes begin.
    pub(crate) fn system_scopes(&self) -> String {
        self.scope("_")
    }
}

/// As Java's `URLEncoder`: letters, digits and `.-*_` stand for themselves, a space is `+`.
fn encoded(text: &str) -> String {
    let mut done = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => done.push(byte.into()),
            b' ' => done.push('+'),
            _ => {
                let _ = write!(done, "%{byte:02X}");
            }
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_written_as_the_java_servers_do() {
        let names = Names::default();
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
        let other = Names { domain: "d".into(), namespace: "n".into(), group: "g".into() };
        assert_eq!(other.group("x", "y"), "d::/n:x/g:y");
    }
}
