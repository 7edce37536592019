//! Names of records and fields. What Avro does not allow in a name is replaced as by
//! `schema.name.adjustment.mode=avro`; names that are valid stay as they are.

use crate::debezium::name_adjustment::NameAdjustment;

/// The name of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// Empty without one.
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Name {
    /// Returns the name of a struct; one without a name has that of the converter.
    pub(super) fn of(name: Option<&str>) -> Self {
        let name = name.unwrap_or("io.confluent.connect.avro.ConnectDefault");
        // the namespace has names, too: a part that begins with a digit is none
        let parts: Vec<String> = name.split('.').map(part).collect();
        match parts.split_last() {
            Some((name, namespace)) => Self { namespace: namespace.join("."), name: name.clone() },
            None => Self { namespace: String::new(), name: String::new() },
        }
    }

    /// Returns the full name.
    pub(super) fn full(&self) -> String {
        self.relative_to("")
    }

    /// Returns the name by which a namespace refers to the record.
    pub(super) fn relative_to(&self, namespace: &str) -> String {
        if self.namespace == namespace || self.namespace.is_empty() {
            return self.name.clone();
        }
        format!("{}.{}", self.namespace, self.name)
    }
}

/// Returns the name of a field.
pub(super) fn field(name: &str) -> String {
    part(name)
}

fn part(name: &str) -> String {
    match name {
        "" => "_".to_owned(),
        name => NameAdjustment::Avro.field_name(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_the_names_of_structs() {
        for (name, namespace, last) in [
            ("p.s.orders.Envelope", "p.s.orders", "Envelope"),
            ("event.block", "event", "block"),
            ("block", "", "block"),
            ("my-db.s.2024_orders.Value", "my_db.s._2024_orders", "Value"),
            ("a..Value", "a._", "Value"),
        ] {
            let found = Name::of(Some(name));
            assert_eq!((&*found.namespace, &*found.name), (namespace, last), "{name}");
        }
        let name = Name::of(Some("a.b"));
        assert_eq!([name.full(), name.relative_to("a"), name.relative_to("c")], ["a.b", "b", "a.b"]);
        assert_eq!(Name::of(None).full(), "io.confluent.connect.avro.ConnectDefault");
        assert_eq!([field("1 a"), field("order_id")], ["_1_a", "order_id"]);
    }
}
