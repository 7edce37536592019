//! What the tests of several crates share: a random number generator whose sequence is given by its seed.
//!
//! For tests and the simulator only. A failure is reproduced by its seed, in every later version: the
//! sequence of a library's generator may change with its next version, and a seed that once found a bug would
//! no longer lead to it. Not for cryptography.

/// The random number generator of a test: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom
/// number generators", OOPSLA 2014).
#[derive(Debug, Clone)]
pub struct SeededRng(u64);

impl SeededRng {
    /// Creates a generator from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns any number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Returns any byte.
    pub fn next_u8(&mut self) -> u8 {
        self.next_u64() as u8
    }

    /// Returns a number below `bound`; 0 when `bound` is 0.
    pub fn u64_below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound.max(1)
    }

    /// Returns an index into a sequence of `length` elements; 0 when it is empty.
    pub fn index(&mut self, length: usize) -> usize {
        self.u64_below(length as u64) as usize
    }

    /// Returns true once in `times` calls on average.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.u64_below(times) == 0
    }

    /// Returns one element of a slice.
    ///
    /// # Panics
    /// If the slice is empty.
    pub fn choose<'a, T>(&mut self, elements: &'a [T]) -> &'a T {
        &elements[self.index(elements.len())]
    }

    /// Returns a copy of one element of a slice.
    ///
    /// # Panics
    /// If the slice is empty.
    pub fn pick<T: Copy>(&mut self, elements: &[T]) -> T {
        *self.choose(elements)
    }
}

#[cfg(test)]
mod tests {
    use super::SeededRng;

    /// The generator's published first numbers: a change loses every seed that was ever recorded.
    #[test]
    fn sequence_of_a_seed_never_changes() {
        let mut rng = SeededRng::new(1_234_567);
        assert_eq!(rng.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn empty_range_does_not_divide_by_zero() {
        let mut rng = SeededRng::new(1);
        assert_eq!((rng.u64_below(0), rng.index(0), rng.one_in(0)), (0, 0, true));
    }
}
