//! `spin:variables`: the values a component's manifest entry names.

use super::bindings::spin::variables::variables::{Error, Host, HostWithStore};
use crate::state::State;
use wasmtime::component::{Accessor, HasSelf};

impl Host for State {}

impl<T: Send> HostWithStore<T> for HasSelf<State> {
    async fn get(accessor: &Accessor<T, Self>, name: String) -> wasmtime::Result<Result<String, Error>> {
        let value = accessor.with(|mut access| access.get().grants.variables.get(&name).cloned());
        Ok(value.ok_or_else(|| {
            Error::Undefined(format!("the manifest gives this component no variable {name:?}"))
        }))
    }
}
