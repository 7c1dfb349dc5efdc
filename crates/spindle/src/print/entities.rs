//! Entities in their text.

use super::Paint;
use language_api::runtime::WireEntity;

/// The text with its entities coloured and named, every line indented. Offsets are code points.
pub(crate) fn entities(text: &str, entities: &[WireEntity], paint: Paint) -> String {
    let signs: Vec<char> = text.chars().collect();
    let piece = |from: usize, to: usize| {
        signs[from.min(to).min(signs.len())..to.min(signs.len())].iter().collect::<String>()
    };
    let mut painted = String::new();
    let mut at = 0;
    for entity in entities {
        let (start, end) = (entity.offset, entity.offset.saturating_add(entity.length));
        painted.push_str(&tame(&piece(at, start)));
        let found = format!(
            "[{} · {} {:.2}]",
            tame(&piece(start, end)),
            tame(&entity.category),
            entity.confidence_score
        );
        painted.push_str(&paint.category(&entity.category, &found));
        at = end;
    }
    painted.push_str(&tame(&piece(at, signs.len())));
    painted
        .lines()
        .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") })
        .collect()
}

/// Documents must not steer the terminal they are shown on.
fn tame(text: &str) -> String {
    let unix = text.replace("\r\n", "\n");
    unix.chars()
        .map(|sign| if sign.is_control() && !matches!(sign, '\n' | '\t') { '\u{fffd}' } else { sign })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn entity(category: &str, offset: usize, length: usize) -> WireEntity {
        WireEntity {
            text: String::new(),
            category: category.to_owned(),
            offset,
            length,
            confidence_score: 0.9,
        }
    }

    #[test]
    fn entities_stand_in_their_text() {
        let text = "Claim 🙂 by José Peña,\r\npolicy PN-4471.\n";
        let found = [entity("Claimant", 11, 9), entity("PolicyNumber", 30, 7)];
        // Golden text loses the indentation that all its lines share.
        expect![[r#"
            title
              Claim 🙂 by [José Peña · Claimant 0.90],
              policy [PN-4471 · PolicyNumber 0.90].
        "#]]
        .assert_eq(&format!("title\n{}", entities(text, &found, Paint::PLAIN)));
    }

    #[test]
    fn a_document_can_not_steer_the_terminal() {
        assert_eq!(entities("a\u{1b}[31mb\u{7}", &[], Paint::PLAIN), "  a\u{fffd}[31mb\u{fffd}\n");
    }

    #[test]
    fn offsets_beyond_the_text_do_no_harm() {
        let found = [entity("A", 2, usize::MAX), entity("A", 1, 1)];
        assert!(entities("abc", &found, Paint::PLAIN).contains("[c · A 0.90]"));
    }
}
