//! Languages of projects, documents and queries (contract: limits 7).

use crate::error::{ApiError, ErrorKind};
use serde::{Deserialize, Serialize};

/// Codes and names: the union of the documented list and the published answer.
pub const LANGUAGES: &[(&str, &str)] = &[
    ("af", "Afrikaans"),
    ("am", "Amharic"),
    ("ar", "Arabic"),
    ("as", "Assamese"),
    ("az", "Azerbaijani"),
    ("be", "Belarusian"),
    ("bg", "Bulgarian"),
    ("bn", "Bangla"),
    ("br", "Breton"),
    ("bs", "Bosnian"),
    ("ca", "Catalan"),
    ("cs", "Czech"),
    ("cy", "Welsh"),
    ("da", "Danish"),
    ("de", "German"),
    ("el", "Greek"),
    ("en", "English"),
    ("en-us", "English (US)"),
    ("eo", "Esperanto"),
    ("es", "Spanish"),
    ("et", "Estonian"),
    ("eu", "Basque"),
    ("fa", "Persian"),
    ("fi", "Finnish"),
    ("fr", "French"),
    ("fy", "Western Frisian"),
    ("ga", "Irish"),
    ("gd", "Scottish Gaelic"),
    ("gl", "Galician"),
    ("gu", "Gujarati"),
    ("ha", "Hausa"),
    ("he", "Hebrew"),
    ("hi", "Hindi"),
    ("hr", "Croatian"),
    ("hu", "Hungarian"),
    ("hy", "Armenian"),
    ("id", "Indonesian"),
    ("it", "Italian"),
    ("ja", "Japanese"),
    ("jv", "Javanese"),
    ("ka", "Georgian"),
    ("kk", "Kazakh"),
    ("km", "Khmer"),
    ("kn", "Kannada"),
    ("ko", "Korean"),
    ("ku", "Kurdish (Kurmanji)"),
    ("ky", "Kyrgyz"),
    ("la", "Latin"),
    ("lo", "Lao"),
    ("lt", "Lithuanian"),
    ("lv", "Latvian"),
    ("mg", "Malagasy"),
    ("mk", "Macedonian"),
    ("ml", "Malayalam"),
    ("mn", "Mongolian"),
    ("mr", "Marathi"),
    ("ms", "Malay"),
    ("my", "Burmese"),
    ("nb", "Norwegian (Bokmal)"),
    ("ne", "Nepali"),
    ("nl", "Dutch"),
    ("or", "Odia"),
    ("pa", "Punjabi"),
    ("pl", "Polish"),
    ("ps", "Pashto"),
    ("pt-br", "Portuguese (Brazil)"),
    ("pt-pt", "Portuguese (Portugal)"),
    ("ro", "Romanian"),
    ("ru", "Russian"),
    ("sa", "Sanskrit"),
    ("sd", "Sindhi"),
    ("si", "Sinhala"),
    ("sk", "Slovak"),
    ("sl", "Slovenian"),
    ("so", "Somali"),
    ("sq", "Albanian"),
    ("sr", "Serbian"),
    ("su", "Sundanese"),
    ("sv", "Swedish"),
    ("sw", "Swahili"),
    ("ta", "Tamil"),
    ("te", "Telugu"),
    ("th", "Thai"),
    ("tl", "Filipino"),
    ("tr", "Turkish"),
    ("ug", "Uyghur"),
    ("uk", "Ukrainian"),
    ("ur", "Urdu"),
    ("uz", "Uzbek"),
    ("vi", "Vietnamese"),
    ("xh", "Xhosa"),
    ("yi", "Yiddish"),
    ("zh-hans", "Chinese (Simplified)"),
    ("zh-hant", "Chinese (Traditional)"),
    ("zu", "Zulu"),
];

/// One entry of the answer to `GET /global/languages`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SupportedLanguage {
    /// Name in English.
    pub language_name: String,
    /// BCP-47 code.
    pub language_code: String,
}

/// The list as answered.
pub fn supported_languages() -> Vec<SupportedLanguage> {
    let entry = |(code, name): &(&str, &str)| SupportedLanguage {
        language_name: (*name).to_owned(),
        language_code: (*code).to_owned(),
    };
    LANGUAGES.iter().map(entry).collect()
}

/// Whether `code` can name a language here: in the list, or a listed base language with other subtags
/// (`en-gb`, `de-AT`). Case does not matter.
pub fn is_supported(code: &str) -> bool {
    let subtag =
        |tag: &str| (1..=8).contains(&tag.len()) && tag.bytes().all(|sign| sign.is_ascii_alphanumeric());
    let base = code.split('-').next().unwrap_or_default();
    let listed =
        |(known, _): &(&str, &str)| known.split('-').next().is_some_and(|b| b.eq_ignore_ascii_case(base));
    code.split('-').all(subtag) && LANGUAGES.iter().any(listed)
}

/// Refuses a code that is not supported.
///
/// # Errors
/// [`ErrorKind::Language`] at `target`.
pub fn check_language(code: &str, target: &str) -> Result<(), ApiError> {
    if is_supported(code) {
        return Ok(());
    }
    Err(ApiError::new(ErrorKind::Language, format!("language {code:?} is not supported")).at(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_union_has_95_sorted_entries() {
        assert_eq!(LANGUAGES.len(), 95);
        assert!(LANGUAGES.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn region_subtags_of_listed_languages_are_accepted() {
        for code in ["en", "EN-US", "en-gb", "de-AT", "zh-Hans", "zh-hant-tw", "pt"] {
            assert!(is_supported(code), "{code}");
        }
        for code in ["", "-", "xx", "en-", "en_us", "english", "en-überlang", "tlh", "auto"] {
            assert!(!is_supported(code), "{code}");
        }
    }
}
