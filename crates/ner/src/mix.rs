//! Spreading the bits of numbers: for hashes of features, and for generators that count up.

/// Spreads all bits over all bits: the finisher of SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom
/// number generators").
pub fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_counts_up_and_mixes_as_published() {
        // The first numbers of the generator's reference implementation from seed 1234567.
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let numbers = (1..=3u64).map(|at| mix(1_234_567u64.wrapping_add(at.wrapping_mul(STEP))));
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(numbers.collect::<Vec<_>>(), expected);
    }
}
