//! placeholder
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Bench { Start }
pub(crate) fn bench(_: Option<Bench>) -> anyhow::Result<()> { Ok(()) }
