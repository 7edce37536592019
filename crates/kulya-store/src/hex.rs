//! Hexadecimal text for bytes, as in pointers and in events that are not text.

/// Encodes bytes as lowercase hexadecimal digits, two per byte.
pub fn encode(bytes: &[u8]) -> String {
    ::hex::encode(bytes)
}

/// Decodes hexadecimal digits of either case; `None` if they are invalid or of odd length.
pub fn decode(digits: &[u8]) -> Option<Vec<u8>> {
    ::hex::decode(digits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_round_trip_and_any_digits_are_decoded_or_rejected(bytes: Vec<u8>) {
            prop_assert_eq!(decode(encode(&bytes).as_bytes()), Some(bytes.clone()));
            let _ = decode(&bytes);
        }
    }
}
