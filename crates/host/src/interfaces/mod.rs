//! The interfaces components import, beside WASI's base. One file per capability, each with its own permission.

pub(crate) mod nn;
pub(crate) mod outbound;
pub(crate) mod postgres;
mod postgres_values;
pub(crate) mod sqlite;
pub(crate) mod variables;

pub(crate) mod bindings {
    //! Bindings generated from `wit/`.
    #![allow(missing_docs, unreachable_pub, clippy::all)]
    wasmtime::component::bindgen!({
        path: "wit",
        world: "imports",
        imports: { default: async | trappable },
        with: {
            "spin:postgres/postgres.connection": super::postgres::Lease,
            "spin:postgres/postgres.connection-builder": super::postgres::Builder,
            "spin:sqlite/sqlite.connection": super::sqlite::Lease,
        },
    });
}
