//! The marks of a snapshot's rows: the field `snapshot` of an event's source.

/// Where a table stands among the tables of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TablePlace {
    /// Whether the table is the first of all. Debezium has no first row if that table is empty.
    pub(crate) is_first: bool,
    /// Whether the table is the last that has rows.
    pub(crate) is_last: bool,
}

impl TablePlace {
    /// Returns Debezium's mark of a row of the table.
    pub(crate) fn mark(self, is_first_of_table: bool, is_last_of_table: bool) -> &'static str {
        match (is_last_of_table, is_first_of_table) {
            (true, _) if self.is_last => "last",
            (_, true) if self.is_first => "first",
            (true, _) => "last_in_data_collection",
            (_, true) => "first_in_data_collection",
            _ => "true",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_marked_before_beginnings() {
        let only = TablePlace { is_first: true, is_last: true };
        assert_eq!(only.mark(true, false), "first");
        assert_eq!(only.mark(false, false), "true");
        assert_eq!(only.mark(false, true), "last");
        assert_eq!(only.mark(true, true), "last");
        let first = TablePlace { is_first: true, is_last: false };
        assert_eq!(first.mark(true, true), "first");
        assert_eq!(first.mark(false, true), "last_in_data_collection");
        let middle = TablePlace { is_first: false, is_last: false };
        assert_eq!(middle.mark(true, false), "first_in_data_collection");
        assert_eq!(middle.mark(false, true), "last_in_data_collection");
        assert_eq!(middle.mark(true, true), "last_in_data_collection");
    }
}
