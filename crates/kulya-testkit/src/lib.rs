//! Chance from a seed: the same seed gives the same throws, for ever, so that a failure is seen again by its number.
//!
//! For tests and simulated worlds. What a library draws from a seed may change with its next version; then a seed that once
//! found a fault would no longer lead there. Nothing here is fit for secrets.

/// The one source of chance of a test: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
/// OOPSLA 2014).
#[derive(Debug, Clone)]
pub struct SeededRng(u64);

impl SeededRng {
    /// SeededRng of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Any byte.
    pub fn byte(&mut self) -> u8 {
        self.number() as u8
    }

    /// A number below `sides`; 0 where there is none.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.number() % sides.max(1)
    }

    /// A place in something of so many; 0 where there are none.
    pub fn below(&mut self, many: usize) -> usize {
        self.roll(many as u64) as usize
    }

    /// Yes, once in so many times.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.roll(times) == 0
    }

    /// One of these.
    ///
    /// # Panics
    /// Where there are none.
    pub fn choose<'a, T>(&mut self, these: &'a [T]) -> &'a T {
        &these[self.below(these.len())]
    }

    /// A copy of one of these.
    ///
    /// # Panics
    /// Where there are none.
    pub fn of<T: Copy>(&mut self, these: &[T]) -> T {
        *self.choose(these)
    }
}

#[cfg(test)]
mod tests {
    use super::SeededRng;

    /// The generator's published first numbers: whoever changes it loses every seed that was ever noted.
    #[test]
    fn a_seed_gives_the_same_throws_for_ever() {
        let mut dice = SeededRng::new(1_234_567);
        assert_eq!(dice.number(), 6_457_827_717_110_365_317);
        assert_eq!(dice.number(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn nothing_to_choose_from_is_no_division_by_zero() {
        assert_eq!(
            (SeededRng::new(1).roll(0), SeededRng::new(1).below(0), SeededRng::new(1).once_in(0)),
            (0, 0, true)
        );
    }
}
