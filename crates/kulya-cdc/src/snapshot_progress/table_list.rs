//! The list of a snapshot's tables, whose numbers stand for them in positions. It is stored once for each run
//! that adds tables, as the source's history.

use std::collections::HashMap;
use std::sync::Arc;

/// The tables by number. A table that is read again later has a second number, which counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TableList {
    names: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl TableList {
    /// Parses the text of a list; `None` if it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self::of_names)
    }

    /// Returns the list of these tables.
    pub(crate) fn of_names(names: Vec<String>) -> Self {
        let mut list = Self::default();
        for name in names {
            list.add(name);
        }
        list
    }

    /// Returns the text of the list.
    pub(crate) fn text(&self) -> Arc<str> {
        let names: Vec<serde_json::Value> = self.names.iter().map(|name| name.as_str().into()).collect();
        serde_json::Value::Array(names).to_string().into()
    }

    /// Adds a table; returns its number.
    pub(crate) fn add(&mut self, name: String) -> usize {
        self.names.push(name.clone());
        let number = self.names.len() - 1;
        self.numbers.insert(name, number);
        number
    }

    /// Forgets the number of a table, which is to be read again under its name.
    pub(crate) fn forget(&mut self, name: &str) {
        self.numbers.remove(name);
    }

    /// Returns a table's number.
    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    /// Returns the tables with their numbers.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (&str, usize)> {
        self.numbers.iter().map(|(name, number)| (name.as_str(), *number))
    }

    /// Returns the names by number.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the number of entries.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_stored_as_text() {
        let mut list = TableList::default();
        for name in ["s.a", "s.\"b\n", "s.a"] {
            list.add(name.to_owned());
        }
        assert_eq!(&*list.text(), r#"["s.a","s.\"b\n","s.a"]"#);
        let parsed = TableList::parse(&list.text()).unwrap();
        assert_eq!(parsed, list);
        assert_eq!((parsed.number("s.a"), parsed.number("s.x"), parsed.len()), (Some(2), None, 3));
        assert_eq!((parsed.tables().count(), parsed.names().len()), (2, 3));
        assert_eq!(TableList::parse("{}"), None);
    }
}
