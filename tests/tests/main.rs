//! End-to-end tests: the real program with the real components, driven from outside.
//!
//! One binary, so that the tests share one server where they can.

#[path = "themes/cluster.rs"]
mod cluster;
#[path = "themes/command_line.rs"]
mod command_line;
#[path = "themes/components.rs"]
mod components;
#[path = "themes/conformance.rs"]
mod conformance;
#[path = "themes/copies.rs"]
mod copies;
#[path = "themes/encoders.rs"]
mod encoders;
#[path = "themes/errors.rs"]
mod errors;
#[path = "themes/events.rs"]
mod events;
#[path = "themes/exchange.rs"]
mod exchange;
#[path = "themes/extraction.rs"]
mod extraction;
#[path = "themes/hard_trainings.rs"]
mod hard_trainings;
#[path = "themes/healing.rs"]
mod healing;
#[path = "themes/identity.rs"]
mod identity;
#[path = "themes/infra/mod.rs"]
mod infra;
#[path = "themes/interface.rs"]
mod interface;
#[path = "themes/labels.rs"]
mod labels;
#[path = "themes/life.rs"]
mod life;
#[path = "themes/listeners.rs"]
mod listeners;
#[path = "themes/long_texts.rs"]
mod long_texts;
#[path = "themes/observation.rs"]
mod observation;
#[path = "themes/postgres.rs"]
mod postgres;
#[path = "themes/processes.rs"]
mod processes;
#[path = "themes/restart.rs"]
mod restart;
#[path = "themes/scenarios.rs"]
mod scenarios;
#[path = "themes/sdk.rs"]
mod sdk;
#[path = "themes/sns.rs"]
mod sns;
#[path = "themes/storage_clients.rs"]
mod storage_clients;
#[path = "themes/stream.rs"]
mod stream;
#[path = "themes/subscribers.rs"]
mod subscribers;
