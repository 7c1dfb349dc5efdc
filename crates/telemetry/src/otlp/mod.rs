//! OTLP over HTTP with protobuf bodies, configured by OpenTelemetry's own variables alone.

mod export;
mod messages;
mod protobuf;
mod settings;

pub use export::Exporting;
pub use settings::{Settings, SettingsError};
