//! Tags of column files: BIO, IOB1 and IOBES (also as BILOU), to spans of tokens.

use std::ops::Range;

/// One token's tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Outside,
    Inside { role: Role, category: String },
}

/// A token's part in its entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Begin,
    Inside,
    End,
    Single,
}

/// How roles are used in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Every entity begins with `B`.
    Bio,
    /// `B` only where an entity follows one of its category directly.
    Iob1,
    /// Ends and single tokens have roles of their own.
    Iobes,
}

/// The tag a column says, if it is one.
pub(super) fn parse(word: &str) -> Option<Tag> {
    if word == "O" {
        return Some(Tag::Outside);
    }
    let (role, category) = word.split_once('-')?;
    let role = match role {
        "B" => Role::Begin,
        "I" => Role::Inside,
        "E" | "L" => Role::End,
        "S" | "U" => Role::Single,
        _ => return None,
    };
    (!category.is_empty()).then(|| Tag::Inside { role, category: category.to_owned() })
}

/// The scheme that the sentences of a file follow.
pub(super) fn scheme<'a>(sentences: impl Iterator<Item = &'a [Tag]>) -> Scheme {
    let mut iob1 = true;
    for sentence in sentences {
        let mut previous: Option<&str> = None;
        for tag in sentence {
            match tag {
                Tag::Inside { role: Role::End | Role::Single, .. } => return Scheme::Iobes,
                Tag::Inside { role: Role::Begin, category } if previous != Some(category) => iob1 = false,
                _ => {}
            }
            previous = category_of(tag);
        }
    }
    if iob1 { Scheme::Iob1 } else { Scheme::Bio }
}

fn category_of(tag: &Tag) -> Option<&str> {
    match tag {
        Tag::Outside => None,
        Tag::Inside { category, .. } => Some(category),
    }
}

/// Entities of one sentence in tokens, and the tokens whose tag breaks the scheme. Every list of tags has a
/// meaning: what continues nothing begins.
pub(super) fn entities<'a>(tags: &'a [Tag], scheme: Scheme) -> (Vec<(Range<usize>, &'a str)>, Vec<usize>) {
    let mut found: Vec<(Range<usize>, &str)> = vec![];
    let mut repaired = vec![];
    // Whether the last entity may go on.
    let mut open = false;
    for (token, tag) in tags.iter().enumerate() {
        let Tag::Inside { role, category } = tag else {
            if open && scheme == Scheme::Iobes {
                repaired.push(token - 1);
            }
            open = false;
            continue;
        };
        let last = found.last_mut().filter(|(_, last)| open && last == category);
        if let (Role::Inside | Role::End, Some((range, _))) = (role, last) {
            range.end = token + 1;
        } else {
            let continues_nothing = match role {
                Role::Begin | Role::Single => open && scheme == Scheme::Iobes,
                Role::Inside => scheme != Scheme::Iob1,
                Role::End => true,
            };
            if continues_nothing {
                repaired.push(token);
            }
            found.push((token..token + 1, category));
        }
        open = matches!(role, Role::Begin | Role::Inside);
    }
    if open && scheme == Scheme::Iobes {
        repaired.push(tags.len() - 1);
    }
    (found, repaired)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(words: &str) -> Vec<Tag> {
        words.split(' ').map(|word| parse(word).unwrap()).collect()
    }

    fn read(words: &str) -> (Scheme, Vec<(Range<usize>, String)>, Vec<usize>) {
        let tags = tags(words);
        let scheme = scheme([&tags[..]].into_iter());
        let (found, repaired) = entities(&tags, scheme);
        (scheme, found.into_iter().map(|(range, name)| (range, name.to_owned())).collect(), repaired)
    }

    fn entity(range: Range<usize>, name: &str) -> (Range<usize>, String) {
        (range, name.to_owned())
    }

    #[test]
    fn the_three_schemes_say_the_same() {
        let expected = vec![entity(0..2, "A"), entity(2..3, "A"), entity(4..6, "B-c")];
        for (scheme, words) in [
            (Scheme::Bio, "B-A I-A B-A O B-B-c I-B-c"),
            (Scheme::Iob1, "I-A I-A B-A O I-B-c I-B-c"),
            (Scheme::Iobes, "B-A E-A S-A O B-B-c E-B-c"),
            (Scheme::Iobes, "B-A L-A U-A O B-B-c L-B-c"),
        ] {
            assert_eq!(read(words), (scheme, expected.clone(), vec![]), "{words}");
        }
    }

    #[test]
    fn broken_tags_are_read_and_named() {
        assert_eq!(
            read("B-A O I-A I-B"),
            (Scheme::Bio, vec![entity(0..1, "A"), entity(2..3, "A"), entity(3..4, "B")], vec![2, 3])
        );
        assert_eq!(
            read("B-A O E-A S-B B-A"),
            (
                Scheme::Iobes,
                vec![entity(0..1, "A"), entity(2..3, "A"), entity(3..4, "B"), entity(4..5, "A")],
                vec![0, 2, 4]
            )
        );
    }

    #[test]
    fn what_is_no_tag_is_none() {
        for word in ["", "B", "B-", "PER", "X-PER", "o", "-PER"] {
            assert_eq!(parse(word), None, "{word:?}");
        }
    }
}
