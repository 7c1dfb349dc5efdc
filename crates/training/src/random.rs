//! Random numbers: SplitMix64, small, fast and the same everywhere.

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// The stream numbered `stream` of `seed`.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self { state: seed ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03) };
        // Streams of neighbouring seeds part ways.
        random.next();
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        ner::mix(self.state)
    }

    /// Uniform in -1..1.
    pub(crate) fn symmetric(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    /// Puts `items` in random order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = ((u128::from(self.next()) * (last as u128 + 1)) >> 64) as usize;
            items.swap(last, other);
        }
    }

    /// Sets each value to 0 with probability `rate` and makes up for it in the others.
    pub(crate) fn drop(&mut self, values: &mut [f32], rate: f32) {
        if rate <= 0.0 {
            return;
        }
        let (limit, factor) = ((rate * 65_536.0) as u64, 1.0 / (1.0 - rate));
        for four in values.chunks_mut(4) {
            let mut bits = self.next();
            for value in four {
                *value *= if bits & 0xffff < limit { 0.0 } else { factor };
                bits >>= 16;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_keeps_the_mean() {
        let mut values = vec![1.0f32; 100_000];
        Random::new(1, 2).drop(&mut values, 0.3);
        let mean = values.iter().sum::<f32>() / 100_000.0;
        let dropped = values.iter().filter(|&&value| value == 0.0).count();
        assert!((mean - 1.0).abs() < 0.02 && (28_000..32_000).contains(&dropped), "{mean} {dropped}");
    }

    #[test]
    fn shuffling_keeps_every_item_and_follows_the_seed() {
        let shuffled = |seed, stream| {
            let mut items: Vec<u32> = (0..100).collect();
            Random::new(seed, stream).shuffle(&mut items);
            items
        };
        assert_eq!(shuffled(1, 1), shuffled(1, 1));
        assert_ne!(shuffled(1, 1), shuffled(1, 2));
        assert_ne!(shuffled(1, 1), shuffled(2, 1));
        let mut sorted = shuffled(1, 1);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }
}
