//! Random ids from the operating system.

/// Returns a random 128-bit id from the operating system's random number generator.
///
/// # Panics
/// If the operating system provides no random numbers.
pub fn random_id() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system provides random numbers");
    u128::from_ne_bytes(bytes)
}
