//! `top`, `skip` and `maxpagesize`, and the list envelope (contract: authoring 5).

use crate::error::ApiError;
use crate::query::Query;
use serde::{Deserialize, Serialize};

/// "No limit" in a next link.
const TOP_UNLIMITED: u32 = 2_147_483_647;

/// What a caller wants of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// Items wanted altogether.
    pub top: Option<u32>,
    /// Items left out at the start.
    pub skip: u32,
    /// Items wanted in one answer.
    pub max_page_size: Option<u32>,
}

/// One list answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items of this page.
    pub value: Vec<T>,
    /// Absolute address of the next page; written as `null` on the last one.
    pub next_link: Option<String>,
}

impl<T> Page<T> {
    /// A list that fits one answer.
    pub fn whole(value: Vec<T>) -> Self {
        Self { value, next_link: None }
    }
}

impl PageRequest {
    /// Reads the three parameters.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Field`] when one is no whole number from 0 to 2147483647.
    pub fn parse(query: &Query) -> Result<Self, ApiError> {
        Ok(Self {
            top: query.count("top")?,
            skip: query.count("skip")?.unwrap_or(0),
            max_page_size: query.count("maxpagesize")?,
        })
    }

    /// How many items go into this answer at most; 0 only when the caller asked for none altogether.
    pub fn take(&self, default: u32, max: u32) -> u32 {
        let size = self.max_page_size.filter(|size| *size > 0).unwrap_or(default).clamp(1, max);
        size.min(self.top.unwrap_or(TOP_UNLIMITED))
    }

    /// The request for what follows after `taken` items, when `more` items exist; `None` when the caller
    /// has all that was wanted.
    pub fn next(&self, taken: u32, more: bool) -> Option<Self> {
        let top = self.top.unwrap_or(TOP_UNLIMITED).saturating_sub(taken);
        let skip = self.skip.saturating_add(taken);
        (more && top > 0 && taken > 0).then_some(Self { top: Some(top), skip, ..*self })
    }

    /// The three parameters as they stand in a link.
    pub fn to_query(&self) -> String {
        let top = self.top.unwrap_or(TOP_UNLIMITED);
        let size = self.max_page_size.map(|size| format!("&maxpagesize={size}")).unwrap_or_default();
        format!("top={top}&skip={}{size}", self.skip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_next_request_counts_down_from_no_limit_as_published() {
        let first = PageRequest { max_page_size: Some(2), ..PageRequest::default() };
        let second = first.next(first.take(100, 1000), true).unwrap();
        assert_eq!(second.to_query(), "top=2147483645&skip=2&maxpagesize=2");
        let third = second.next(2, true).unwrap();
        assert_eq!(third.to_query(), "top=2147483643&skip=4&maxpagesize=2");
        assert_eq!(third.next(1, false), None);
    }

    #[test]
    fn top_ends_the_list() {
        let request = PageRequest::parse(&Query::parse("top=3&maxpagesize=2&skip=1")).unwrap();
        assert_eq!(request.take(100, 1000), 2);
        let next = request.next(2, true).unwrap();
        assert_eq!((next.take(100, 1000), next.skip), (1, 3));
        assert_eq!(next.next(1, true), None);
    }

    #[test]
    fn sizes_have_a_default_and_a_bound() {
        let size = |query: &str| PageRequest::parse(&Query::parse(query)).unwrap().take(25, 1000);
        assert_eq!(
            (size(""), size("maxpagesize=0"), size("maxpagesize=5000"), size("top=0")),
            (25, 25, 1000, 0)
        );
    }

    #[test]
    fn the_last_page_says_null() {
        let page = serde_json::to_string(&Page::whole(vec![1])).unwrap();
        assert_eq!(page, r#"{"value":[1],"nextLink":null}"#);
    }

    proptest::proptest! {
        /// Following the links yields every wanted item once, in order.
        #[test]
        fn links_cover_the_list(total in 0u32..60, top in proptest::option::of(0u32..70), skip in 0u32..70, size in 1u32..20) {
            let mut seen = Vec::new();
            let mut request = Some(PageRequest { top, skip, max_page_size: Some(size) });
            while let Some(page) = request {
                let end = total.min(page.skip + page.take(100, 1000));
                let taken = end.saturating_sub(page.skip);
                seen.extend(page.skip..page.skip + taken);
                request = page.next(taken, end < total);
            }
            let wanted: Vec<u32> = (skip..total).take(top.unwrap_or(total) as usize).collect();
            proptest::prop_assert_eq!(seen, wanted);
        }
    }
}
