//! Sets of JSON values, equal as JSON Schema says: for `enum` and `const` of any length.

use super::decimal::{equal, number_of};
use serde_json::Value;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::LazyLock;

/// The keys of the hash of this process: nobody can choose values that collide.
static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);

/// A list of values with an index by hash.
#[derive(Debug, Clone, Default)]
pub(crate) struct ValueSet {
    values: Vec<Value>,
    index: HashMap<u128, u32>,
}

impl PartialEq for ValueSet {
    fn eq(&self, other: &Self) -> bool {
        self.index.len() == other.index.len() && self.index.keys().all(|key| other.index.contains_key(key))
    }
}

impl ValueSet {
    /// Creates a set; of equal values the first remains.
    pub(crate) fn new(all: Vec<Value>) -> Self {
        let mut set =
            Self { values: Vec::with_capacity(all.len()), index: HashMap::with_capacity(all.len()) };
        for value in all {
            let next = u32::try_from(set.values.len()).unwrap_or(u32::MAX);
            if let std::collections::hash_map::Entry::Vacant(entry) = set.index.entry(hash(&value)) {
                entry.insert(next);
                set.values.push(value);
            }
        }
        set
    }

    pub(crate) fn values(&self) -> &[Value] {
        &self.values
    }

    pub(crate) fn contains(&self, value: &Value) -> bool {
        let found = self.index.get(&hash(value)).and_then(|index| usize::try_from(*index).ok());
        found.and_then(|index| self.values.get(index)).is_some_and(|found| equal(found, value))
    }

    /// Returns the hashes of the values in ascending order.
    pub(crate) fn sorted_hashes(&self) -> Vec<u128> {
        let mut hashes: Vec<u128> = self.index.keys().copied().collect();
        hashes.sort_unstable();
        hashes
    }
}

/// Hashes anything with the keys of this process; 128 bits, so that equal hashes mean equal values.
pub(crate) fn keyed_hash(value: &impl Hash) -> u128 {
    let [one, other] = &*KEYS;
    u128::from(one.hash_one(value)) << 64 | u128::from(other.hash_one(value))
}

/// Hashes a value; equal values have equal hashes.
pub(crate) fn hash(value: &Value) -> u128 {
    let [one, other] = &*KEYS;
    let half = |keys: &RandomState| {
        let mut hasher = keys.build_hasher();
        write(value, &mut hasher, keys);
        u128::from(hasher.finish())
    };
    half(one) << 64 | half(other)
}

fn write(value: &Value, hasher: &mut impl Hasher, keys: &RandomState) {
    if let Some(number) = number_of(value) {
        (0u8, number).hash(hasher);
        return;
    }
    match value {
        Value::Null => 1u8.hash(hasher),
        Value::Bool(value) => (2u8, value).hash(hasher),
        Value::String(text) => (3u8, text).hash(hasher),
        Value::Array(items) => {
            (4u8, items.len()).hash(hasher);
            items.iter().for_each(|item| write(item, hasher, keys));
        }
        Value::Object(members) => {
            // the order of members does not matter
            let mut sum = 0u64;
            for (name, member) in members {
                let mut inner = keys.build_hasher();
                name.hash(&mut inner);
                write(member, &mut inner, keys);
                sum = sum.wrapping_add(inner.finish());
            }
            (5u8, members.len(), sum).hash(hasher);
        }
        Value::Number(_) => {}
    }
}
