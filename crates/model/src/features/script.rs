//! Scripts without spaces: a change of script (Kanji, Hiragana, Katakana) is the nearest thing to a word's border, so
//! what stands between two changes says what a character by itself does not.

use super::{Attributes, Line, Template, Writer, join};
use ner::segmentation::Gap;
use std::ops::Range;

/// Runs longer than this are sentences rather than words.
const RUN_MAX: usize = 12;

/// Longest beginning and end of a run in characters.
const AFFIX_MAX: usize = 3;

/// Maximal runs of characters of one script within a line's `words`.
pub(super) fn runs(all: &[Attributes], words: Range<usize>) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for word in words.filter(|&word| all[word].script.is_some()) {
        match runs.last_mut() {
            Some(run)
                if run.end == word
                    && all[run.start].script == all[word].script
                    && all[word].gap == Gap::None =>
            {
                run.end += 1
            }
            _ => runs.push(word..word + 1),
        }
    }
    runs
}

impl Writer {
    /// What the run of a character is, and those beside it; nothing for words of other scripts.
    pub(super) fn script(&mut self, line: &Line<'_>, word: usize) {
        let Some(script) = line.all[word].script else { return };
        let number = line.runs.partition_point(|run| run.end <= word);
        let run = &line.runs[number];
        let (before, after) = ((word - run.start).min(3) as u64, (run.end - 1 - word).min(3) as u64);
        self.push(Template::RunPlace, u64::from(script) << 16 | before << 8 | after);
        let text = |run: &Range<usize>| {
            (run.len() <= RUN_MAX)
                .then(|| line.all[run.clone()].iter().fold(0, |hash, word| join(hash, word.lower)))
        };
        if let Some(text) = text(run) {
            self.push(Template::Run, text);
        }
        // What a run begins and ends with tells its kind as affixes do a word's: a name's "university", "city", "party".
        for length in (1..=AFFIX_MAX).filter(|&length| length < run.len()) {
            let part =
                |part: Range<usize>| line.all[part].iter().fold(0, |hash, word| join(hash, word.lower));
            self.push_near(Template::RunStart, length as u64, part(run.start..run.start + length));
            self.push_near(Template::RunEnd, length as u64, part(run.end - length..run.end));
        }
        let beside = |at: Option<usize>| at.and_then(|at| line.runs.get(at));
        if let Some(text) =
            beside(number.checked_sub(1)).filter(|other| other.end == run.start).and_then(text)
        {
            self.push(Template::RunBefore, text);
        }
        if let Some(text) = beside(Some(number + 1)).filter(|other| other.start == run.end).and_then(text) {
            self.push(Template::RunAfter, text);
        }
        for (template, distances) in
            [(Template::TripleBefore, [-2, -1, 0]), (Template::TripleAfter, [0, 1, 2])]
        {
            let lower = |distance| line.near(word, distance).map_or(0, |near| near.lower);
            self.push(template, distances.into_iter().fold(0, |hash, distance| join(hash, lower(distance))));
        }
    }
}
