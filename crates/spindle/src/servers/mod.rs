//! The processes of an installation: everything in one (`up`), or hosts (`serve`) and workers (`worker`) on many machines,
//! over the same parts. Composition only: each part lives in its own crate.

mod bundles;
mod cluster;
mod config;
mod notifier;
mod observation;
mod parts;
mod readiness;
mod secret;
mod serve;
mod spin;
mod storage;
mod up;
mod worker;

pub(crate) use config::{ConfigArguments, config};
pub(crate) use observation::start as start_observation;
pub(crate) use parts::{EncoderArguments, HostArguments, ServerArguments, until_stopped};
pub(crate) use secret::database_address;
pub(crate) use serve::{ServeArguments, serve};
pub(crate) use spin::{SpinArguments, spin};
pub(crate) use storage::{StorageArguments, storage};
pub(crate) use up::{Running, UpArguments, start, up};
pub(crate) use worker::{WorkerArguments, worker};
