//! Which segment an event goes to: Pravega's hash of the routing key.
//!
//! A key becomes a number in `[0, 1)`: murmur3 x64 128 over its UTF-16 code units (little-endian), seed
//! `"EventRouter".hashCode()`, the upper 52 bits of the first half as a fraction. A stream of N fixed segments
//! gives segment `i` the range `[i/N, (i+1)/N)`.

/// Java's `"EventRouter".hashCode()`.
const SEED: u32 = 1_741_865_571;

/// A routing key's place in `[0, 1)`.
pub fn position(routing_key: &str) -> f64 {
    let mut short = [0; 2 * SHORT_KEY];
    let long: Vec<u8>;
    let units = if routing_key.is_ascii() && routing_key.len() <= SHORT_KEY {
        // most keys are, and need no memory of their own
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

/// Characters.
const SHORT_KEY: usize = 64;

/// The number of the segment, of `segments` equal ranges, that a key belongs to.
pub fn segment_of(routing_key: &str, segments: u32) -> u32 {
    ((position(routing_key) * f64::from(segments)) as u32).min(segments.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values printed by the Java client 0.13.
    #[test]
    fn keys_hash_as_in_the_java_client() {
        assert_eq!(position("a"), 0.9433912753816884);
        assert_eq!(position("key-1"), 0.3829162539760538);
        assert_eq!(position("é"), 0.6688272069632242);
        assert_eq!(segment_of("a", 4), 3);
        assert_eq!(segment_of("key-1", 4), 1);
        assert_eq!(segment_of("a", 1), 0);
    }

    #[test]
    fn short_and_long_keys_hash_the_same_way() {
        let murmur = |key: &str| {
            let units: Vec<u8> = key.encode_utf16().flat_map(u16::to_le_bytes).collect();
            (murmur3::murmur3_x64_128(&mut units.as_slice(), SEED).unwrap() as u64 >> 12) as f64
                / (1u64 << 52) as f64
        };
        for length in [0, 1, 7, 63, 64, 65, 200] {
            let key = "k1-".repeat(67)[..length].to_owned();
            assert_eq!(position(&key), murmur(&key), "{length}");
        }
    }
}
