use super::*;
use crate::routes::{AuthoringRoute, RuntimeRoute};
use std::collections::BTreeSet;

/// Paths that no route table has: the host's and other components' own.
const ELSEWHERE: [&str; 4] = ["/events/storage", "/healthz", "/readyz", "/openapi.json"];

#[test]
fn every_route_is_described_and_every_description_has_a_route() {
    let routes = AuthoringRoute::all().chain(RuntimeRoute::all());
    let routes: BTreeSet<(String, String)> = routes
        // The installation calls itself there, with a secret that no client has.
        .filter(|(_, pattern)| !pattern.starts_with("internal/"))
        .map(|(method, pattern)| (method.to_string(), format!("/{pattern}")))
        .collect();
    let described: BTreeSet<(String, String)> = operations()
        .filter(|(_, path)| !ELSEWHERE.contains(&path.as_str()))
        // A verb stands behind its object with and without a slash.
        .map(|(method, path)| (method.to_owned(), path.replace("}:", "}/:")))
        .collect();
    assert_eq!(routes, described);
}

#[test]
fn references_lead_somewhere_and_nothing_is_described_that_nobody_uses() {
    let document = document();
    let mut used = BTreeSet::new();
    references(&document, &mut used);
    for pointer in &used {
        assert!(document.pointer(pointer).is_some(), "{pointer} leads nowhere");
    }
    for kind in ["schemas", "parameters"] {
        let there = document["components"][kind].as_object().expect("an object");
        assert!(there.len() > 10, "{kind} are not JSON");
        let unused: Vec<&String> =
            there.keys().filter(|name| !used.contains(&format!("/components/{kind}/{name}"))).collect();
        assert!(unused.is_empty(), "{kind} without use: {unused:?}");
    }
}

#[test]
fn operations_have_names_of_their_own() {
    let ids: BTreeSet<&str> = operations::OPERATIONS.iter().map(|operation| operation.id).collect();
    assert_eq!(ids.len(), operations::OPERATIONS.len());
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value.as_str().filter(|_| key == "$ref") {
                    Some(reference) => drop(found.insert(reference.trim_start_matches('#').to_owned())),
                    None => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}
