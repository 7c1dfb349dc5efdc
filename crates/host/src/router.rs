//! Which component answers a path: Spin's rules (exact, `:param`, trailing `/...`; the most specific wins).

use std::cmp::Reverse;
use thiserror::Error;

/// A manifest's route that can't be used. The person who wrote it can fix it.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum RouteError {
    /// No leading slash.
    #[error("route {0:?} must begin with /")]
    Relative(String),
    /// Wildcard before the end.
    #[error("route {0:?} may hold ... only as its last segment")]
    InnerWildcard(String),
    /// The same pattern twice.
    #[error("route {0:?} is declared twice")]
    Duplicate(String),
}

/// One route of the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Route {
    pattern: String,
    segments: Vec<Segment>,
    wildcard: bool,
    component: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Parameter(String),
}

/// All outside routes, most specific first.
#[derive(Debug, Default)]
pub(crate) struct Router {
    routes: Vec<Route>,
}

/// What a path was matched to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Match<'a> {
    /// The component's id.
    pub(crate) component: &'a str,
    /// The manifest's pattern.
    pub(crate) pattern: &'a str,
    /// `:param` names and values.
    pub(crate) parameters: Vec<(&'a str, &'a str)>,
    /// What the wildcard covers, with its leading slash; empty for other routes.
    pub(crate) rest: &'a str,
}

impl Router {
    /// A router over `(pattern, component)` pairs.
    ///
    /// # Errors
    /// The first unusable pattern.
    pub(crate) fn new<'a>(routes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, RouteError> {
        let mut router = Self::default();
        for (pattern, component) in routes {
            let route = Route::parse(pattern, component)?;
            if router.routes.iter().any(|other| other.same_paths(&route)) {
                return Err(RouteError::Duplicate(pattern.to_owned()));
            }
            router.routes.push(route);
        }
        router.routes.sort_by_key(|route| Reverse(route.specificity()));
        Ok(router)
    }

    /// The route for `path`. A doubled leading slash counts as one and route words know no case, since clients join and
    /// spell addresses carelessly; what parameters and wildcards cover is passed on as it came.
    pub(crate) fn find<'a>(&'a self, path: &'a str) -> Option<Match<'a>> {
        let path = path.trim_start_matches('/');
        self.routes.iter().find_map(|route| route.matches(path))
    }
}

impl Route {
    fn parse(pattern: &str, component: &str) -> Result<Self, RouteError> {
        let path = pattern.strip_prefix('/').ok_or_else(|| RouteError::Relative(pattern.to_owned()))?;
        let (path, wildcard) = match path.strip_suffix("...") {
            Some(path) => (path.strip_suffix('/').unwrap_or(path), true),
            None => (path, false),
        };
        if path.contains("...") {
            return Err(RouteError::InnerWildcard(pattern.to_owned()));
        }
        let segments =
            path.split('/').filter(|_| !path.is_empty()).map(|segment| match segment.strip_prefix(':') {
                Some(name) => Segment::Parameter(name.to_owned()),
                None => Segment::Literal(segment.to_owned()),
            });
        Ok(Self {
            pattern: pattern.to_owned(),
            segments: segments.collect(),
            wildcard,
            component: component.to_owned(),
        })
    }

    /// Literals before parameters, long before short, exact before wildcard.
    fn specificity(&self) -> (usize, usize, bool) {
        let literals = self.segments.iter().filter(|segment| matches!(segment, Segment::Literal(_))).count();
        (self.segments.len(), literals, !self.wildcard)
    }

    fn same_paths(&self, other: &Self) -> bool {
        let same = |(a, b): (&Segment, &Segment)| match (a, b) {
            (Segment::Parameter(_), Segment::Parameter(_)) => true,
            (Segment::Literal(a), Segment::Literal(b)) => a.eq_ignore_ascii_case(b),
            _ => false,
        };
        self.wildcard == other.wildcard
            && self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(same)
    }

    fn matches<'a>(&'a self, path: &'a str) -> Option<Match<'a>> {
        let mut rest = path;
        let mut parameters = vec![];
        for (index, segment) in self.segments.iter().enumerate() {
            if index > 0 {
                rest = rest.strip_prefix('/')?;
            }
            let (found, after) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            match segment {
                Segment::Literal(literal) if literal.eq_ignore_ascii_case(found) => {}
                Segment::Parameter(name) if !found.is_empty() => parameters.push((name.as_str(), found)),
                _ => return None,
            }
            rest = after;
        }
        let ends = if self.wildcard {
            rest.is_empty() || rest.starts_with('/') || self.segments.is_empty()
        } else {
            rest.is_empty() || rest == "/"
        };
        ends.then_some(Match {
            component: &self.component,
            pattern: &self.pattern,
            parameters,
            rest: if self.wildcard { rest } else { "" },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router() -> Router {
        Router::new([
            ("/...", "studio"),
            ("/language/...", "extraction"),
            ("/language/authoring/...", "authoring"),
            ("/events/storage", "events"),
            ("/users/:id/files", "files"),
        ])
        .expect("valid routes")
    }

    #[test]
    fn the_most_specific_route_wins() {
        let router = router();
        let component = |path| router.find(path).map(|found| found.component.to_owned());
        assert_eq!(component("/language/authoring/x").as_deref(), Some("authoring"));
        assert_eq!(component("/language/:analyze-text").as_deref(), Some("extraction"));
        assert_eq!(component("//language/authoring").as_deref(), Some("authoring"));
        assert_eq!(component("/Language/AUTHORING/X").as_deref(), Some("authoring"));
        assert_eq!(component("/events/storage").as_deref(), Some("events"));
        assert_eq!(component("/events/storage/").as_deref(), Some("events"));
        assert_eq!(component("/events/storage/x").as_deref(), Some("studio"));
        assert_eq!(component("/languages").as_deref(), Some("studio"));
        assert_eq!(component("/").as_deref(), Some("studio"));
    }

    #[test]
    fn parameters_and_the_rest_are_reported() {
        let router = router();
        let found = router.find("/users/7/files").expect("matches");
        assert_eq!(found.parameters, [("id", "7")]);
        assert_eq!(router.find("/language/a/b").expect("matches").rest, "/a/b");
        assert_eq!(router.find("/users//files").expect("falls through").component, "studio");
    }

    #[test]
    fn unusable_patterns_are_refused() {
        let refusal = |patterns: &[&'static str]| {
            Router::new(patterns.iter().map(|pattern| (*pattern, "a"))).expect_err("must be refused")
        };
        assert_eq!(refusal(&["a"]), RouteError::Relative("a".to_owned()));
        assert_eq!(refusal(&["/.../a"]), RouteError::InnerWildcard("/.../a".to_owned()));
        assert_eq!(refusal(&["/a/:x", "/a/:y"]), RouteError::Duplicate("/a/:y".to_owned()));
    }
}
