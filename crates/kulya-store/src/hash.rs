//! Routing: maps a routing key to a segment with Pravega's hash.
//!
//! A key is hashed to a number in `[0, 1)`: murmur3 x64 128 over its UTF-16 code units (little-endian),
//! seed `"EventRouter".hashCode()`, the upper 52 bits of the first half as a fraction. In a stream of N
//! segments, segment `i` has the range `[i/N, (i+1)/N)`.

/// Java's `"EventRouter".hashCode()`.
const SEED: u32 = 1_741_865_571;

/// Hashes a routing key to `[0, 1)`.
pub fn hash_to_range(routing_key: &str) -> f64 {
    let mut short = [0; 2 * SHORT_KEY];
    let long: Vec<u8>;
    let units = if routing_key.is_ascii() && routing_key.len() <= SHORT_KEY {
        // the common case, without an allocation
        for (unit, byte) in short.chunks_exact_mut(2).zip(routing_key.bytes()) {
            unit[0] = byte;
        }
        short.get(..2 * routing_key.len()).unwrap_or_default()
    } else {
        long = routing_key.encode_utf16().flat_map(u16::to_le_bytes).collect();
        &long
    };
    let hash = murmur3::murmur3_x64_128(&mut &*units, SEED).expect("reading from a slice cannot fail") as u64;
    (hash >> 12) as f64 / (1u64 << 52) as f64
}

/// Keys of at most this many characters are hashed without an allocation.
const SHORT_KEY: usize = 64;

/// Returns the number of the segment, out of `segments` equal ranges, that a key is routed to.
pub fn segment_of(routing_key: &str, segments: u32) -> u32 {
    ((hash_to_range(routing_key) * f64::from(segments)) as u32).min(segments.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values computed by the Java client 0.13.
    #[test]
    fn hashes_match_the_java_client() {
        assert_eq!(hash_to_range("a"), 0.9433912753816884);
        assert_eq!(hash_to_range("key-1"), 0.3829162539760538);
        assert_eq!(hash_to_range("é"), 0.6688272069632242);
        assert_eq!(segment_of("a", 4), 3);
        assert_eq!(segment_of("key-1", 4), 1);
        assert_eq!(segment_of("a", 1), 0);
    }

    #[test]
    fn short_and_long_keys_hash_alike() {
        let murmur = |key: &str| {
            let units: Vec<u8> = key.encode_utf16().flat_map(u16::to_le_bytes).collect();
            (murmur3::murmur3_x64_128(&mut units.as_slice(), SEED).unwrap() as u64 >> 12) as f64
                / (1u64 << 52) as f64
        };
        for length in [0, 1, 7, 63, 64, 65, 200] {
            let key = "k1-".repeat(67)[..length].to_owned();
            assert_eq!(hash_to_range(&key), murmur(&key), "{length}");
        }
    }
}
