//! The condition of a statement from several conditions.

/// Returns the clause that requires all conditions, with a space before it; empty without any.
pub(crate) fn where_clause(conditions: &[String]) -> String {
    if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_conditions_are_required() {
        let conditions = ["a > 1".to_owned(), "b".to_owned()];
        assert_eq!(where_clause(&conditions), " WHERE a > 1 AND b");
        assert_eq!(where_clause(&conditions[..1]), " WHERE a > 1");
        assert_eq!(where_clause(&[]), "");
    }
}
