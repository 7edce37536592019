//! The order in which Java's hash map gives texts that were put into it: Debezium lists the tables of a
//! transaction in that order.
//!
//! Not followed: buckets with eight and more texts, which Java makes trees of.

/// A hash map of Java that is filled and cleared again and again: it never becomes smaller.
#[derive(Debug, Clone)]
pub(super) struct JavaMap {
    buckets: usize,
}

impl Default for JavaMap {
    fn default() -> Self {
        Self { buckets: 16 }
    }
}

impl JavaMap {
    /// Sorts entries, given in the order in which they were put into the empty map, by their bucket.
    pub(super) fn sort<T>(&mut self, entries: &mut [(&str, T)]) {
        while entries.len() > self.buckets / 4 * 3 {
            self.buckets *= 2;
        }
        let mask = self.buckets - 1;
        entries.sort_by_cached_key(|(text, _)| spread(hash(text)) as usize & mask);
    }
}

/// Hashes a text as Java does.
fn hash(text: &str) -> u32 {
    text.encode_utf16().fold(0, |hash: u32, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

/// Mixes a hash's upper half into the lower, as Java's map does.
fn spread(hash: u32) -> u32 {
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_hashed_as_by_java() {
        for (text, expected) in [("", 0), ("a", 97), ("hello", 99_162_322), ("€😀", 9_810_703)] {
            assert_eq!(hash(text), expected, "{text}");
        }
    }

    #[test]
    fn entries_have_the_maps_order() {
        let sorted = |map: &mut JavaMap, texts: &[&'static str]| {
            let mut entries: Vec<_> = texts.iter().map(|text| (*text, ())).collect();
            map.sort(&mut entries);
            entries.into_iter().map(|(text, ())| text).collect::<Vec<_>>()
        };
        let mut map = JavaMap::default();
        // seen in Debezium's events
        assert_eq!(sorted(&mut map, &["zoo.orders", "zoo.order_lines"]), ["zoo.orders", "zoo.order_lines"]);
        assert_eq!(sorted(&mut map, &["zoo.orders", "zoo.composite_pk"]), ["zoo.orders", "zoo.composite_pk"]);
        // the hashes of single letters are their codes: `p` is 7 × 16, `q` 1 more
        assert_eq!(sorted(&mut map, &["q", "a", "p"]), ["p", "q", "a"]);
        let thirteen = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"];
        assert_eq!(sorted(&mut map, &thirteen), thirteen);
        // the map has 32 buckets now, and keeps them
        assert_eq!(sorted(&mut map, &["q", "a", "p"]), ["a", "p", "q"]);
    }

    #[test]
    fn entries_have_the_order_that_java_17_gives() {
        let names = [
            "public.customers",
            "public.orders",
            "public.order_lines",
            "public.products",
            "shop.inventory",
            "Größe.Übung",
            "public.geo",
            "zoo.Mixed Case",
        ];
        let mut map = JavaMap::default();
        for (larger, expected) in [
            (0, [5, 0, 1, 4, 3, 7, 2, 6]),
            // after `t0`, `t1`, …, `t99` were in the map
            (100, [6, 5, 1, 3, 2, 7, 0, 4]),
        ] {
            let texts: Vec<String> = (0..larger).map(|number| format!("t{number}")).collect();
            map.sort(&mut texts.iter().map(|text| (text.as_str(), 0)).collect::<Vec<_>>());
            let mut entries: Vec<_> = names.into_iter().zip(0..).collect();
            map.sort(&mut entries);
            assert_eq!(entries.into_iter().map(|(_, place)| place).collect::<Vec<_>>(), expected);
        }
    }
}
