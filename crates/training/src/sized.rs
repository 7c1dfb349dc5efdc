//! What recipes asked for by name do with much text: less of what costs time and memory and then hardly matters.

use model::Recipe;

/// Bytes of text from which on a corpus is large: a word has about five.
const LARGE_BYTES: usize = 2_000_000;

/// Words that each member network learns from, over all passes, as far as [`EPOCHS_MIN`] allows.
const WORD_PASSES: usize = 3_000_000;

/// Fewest passes of a member network.
const EPOCHS_MIN: usize = 3;

/// Passes of the optimiser over a large corpus.
const LARGE_ITERATIONS: u32 = 60;

/// Settings of `recipe` for `bytes` of text.
pub(crate) fn sized(recipe: &mut Recipe, bytes: usize) {
    if let Some(contextual) = &mut recipe.contextual {
        let passes = (WORD_PASSES / (bytes / 5).max(1)).max(EPOCHS_MIN);
        contextual.epochs = contextual.epochs.min(u32::try_from(passes).unwrap_or(u32::MAX));
    }
    if bytes > LARGE_BYTES {
        // Most features of a large corpus are on one word, and most of them on none that is to come.
        recipe.lexical.min_count = recipe.lexical.min_count.max(2);
        recipe.lexical.max_iterations = recipe.lexical.max_iterations.min(LARGE_ITERATIONS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_corpora_keep_their_settings_and_large_ones_are_learned_in_fewer_passes() {
        let of = |bytes| {
            let mut recipe = Recipe::contextual();
            sized(&mut recipe, bytes);
            (recipe.contextual.map_or(0, |contextual| contextual.epochs), recipe.lexical.min_count)
        };
        assert_eq!([of(0), of(1_300_000), of(3_000_000), of(13_000_000)], [(10, 1), (10, 1), (5, 2), (3, 2)]);
    }
}
