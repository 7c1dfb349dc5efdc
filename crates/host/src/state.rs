//! What one component instance may touch: its store's data.

use crate::interfaces::nn::Models;
use crate::interfaces::outbound::OutboundHosts;
use crate::interfaces::postgres::PostgresServers;
use crate::interfaces::sqlite::Databases;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// A component's permissions, shared by its instances.
pub(crate) struct Grants {
    pub(crate) outbound: OutboundHosts,
    pub(crate) databases: Databases,
    pub(crate) postgres: Arc<PostgresServers>,
    pub(crate) variables: BTreeMap<String, String>,
    /// For components whose manifest entry asks for models.
    pub(crate) models: Option<Arc<dyn Models>>,
    pub(crate) memory_bytes_max: usize,
}

/// Data of one instance's store.
pub(crate) struct State {
    pub(crate) grants: Arc<Grants>,
    pub(crate) table: ResourceTable,
    /// When the guest's running request must be over; the epoch callback reads it.
    pub(crate) deadline: Instant,
    pub(crate) memory: MemoryLimit,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outbound: OutboundHosts,
}

impl State {
    pub(crate) fn new(grants: Arc<Grants>, deadline: Instant) -> Self {
        Self {
            table: ResourceTable::new(),
            deadline,
            memory: MemoryLimit { bytes: 0, bytes_max: grants.memory_bytes_max },
            // No file system, no environment, no network: a component has what its manifest grants. Panic messages
            // of a guest are worth seeing, so standard error is the host's.
            wasi: WasiCtx::builder().inherit_stderr().build(),
            http: WasiHttpCtx::new(),
            outbound: grants.outbound.clone(),
            grants,
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outbound, table: &mut self.table, ctx: &mut self.http }
    }
}

/// Caps the linear memories of one instance together, not each alone.
pub(crate) struct MemoryLimit {
    bytes: usize,
    bytes_max: usize,
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = self.bytes + desired.saturating_sub(current);
        let allowed = bytes <= self.bytes_max;
        if allowed {
            self.bytes = bytes;
        } else {
            tracing::warn!(bytes, bytes_max = self.bytes_max, "component memory limit reached");
        }
        Ok(allowed)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= 100_000)
    }
}
