//! Which segment an event goes to: Pravega's hash of the routing key.
//!
//! A key becomes a number in `[0, 1)`: murmur3 x64 128 over its UTF-16 code units (little-endian), seed
//! `"EventRouter".hashCode()`, the upper 52 bits of the first half as a fraction. A stream of N fixed segments
//! gives segment `i` the range `[i/N, (i+1)/N)`.

/// Java's `"EventRouter".hashCode()`.
const SEED: u32 = 1_741_865_571;

/// A routing key's place in `[0, 1)`.
pub fn position(routing_key: &str) -> f64 {
    let units: Vec<u8> = routing_key.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let hash = murmur3::murmur3_x64_128(&mut units.as_slice(), SEED)
        .expect("reading from a slice cannot fail") as u64;
    (hash >> 12) as f64 / (1u64 << 52) as f64
}

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
}
