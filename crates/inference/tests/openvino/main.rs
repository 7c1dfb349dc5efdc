//! The real OpenVINO with the real default encoder. Skipped with a line saying so where either is absent, except
//! in continuous integration (`CI` is set), where that is a failure.

#[path = "../bundles/mod.rs"]
mod bundles;
mod encoder;
mod engine;
mod family;
mod layers;
mod located;
mod support;
