//! `wasi:nn`: models by name, nothing else. Our backend and registry behind wasmtime's interface.
//!
//! `load` (a graph from a guest's bytes) has no backend, so it always fails; `load-by-name` opens what the inference
//! engine knows. Inputs are validated as a whole before native code sees them.

use model::{Graph, GraphError, Inputs, NamedTensor};
use std::sync::Arc;
use wasmtime_wasi_nn::backend::{
    BackendError, BackendExecutionContext, BackendGraph, Id, NamedTensor as NnNamedTensor,
};
use wasmtime_wasi_nn::wit::{Tensor, TensorType};
use wasmtime_wasi_nn::{ExecutionContext, Graph as NnGraph, GraphRegistry, Registry};

/// Opens a model's graph by the model's id. The host's owner provides it; blocking.
pub trait Models: Send + Sync {
    /// The graph behind `name`.
    ///
    /// # Errors
    /// [`GraphError`]: unknown, damaged, or the machine's fault.
    fn open(&self, name: &str) -> Result<Arc<dyn Graph + Send + Sync>, GraphError>;
}

/// The models one component instance may load; each instance has its own list of opened names.
#[derive(Clone)]
pub(crate) struct ModelRegistry {
    models: Option<Arc<dyn Models>>,
}

impl ModelRegistry {
    pub(crate) fn new(models: Arc<dyn Models>) -> Self {
        Self { models: Some(models) }
    }

    /// For components whose manifest entry does not ask for models.
    pub(crate) fn closed() -> Self {
        Self { models: None }
    }
}

impl From<ModelRegistry> for Registry {
    fn from(registry: ModelRegistry) -> Self {
        Registry::from(OpenedModels { models: registry.models, graphs: elsa::sync::FrozenMap::new() })
    }
}

/// wasmtime asks for `&Graph`, so opened graphs stay at fixed places for the instance's life.
struct OpenedModels {
    models: Option<Arc<dyn Models>>,
    graphs: elsa::sync::FrozenMap<String, Box<NnGraph>>,
}

impl GraphRegistry for OpenedModels {
    fn get(&self, name: &str) -> Option<&NnGraph> {
        let models = self.models.as_ref()?;
        if let Some(graph) = self.graphs.get(name) {
            return Some(graph);
        }
        // The model itself is opened per call (the engine caches it), so that damage and eviction are seen in time and
        // come back as an error with a reason instead of "not found".
        let graph: Box<dyn BackendGraph> =
            Box::new(NamedModel { name: name.to_owned(), models: Arc::clone(models) });
        Some(self.graphs.insert(name.to_owned(), Box::new(NnGraph::from(graph))))
    }

    fn get_mut(&mut self, _name: &str) -> Option<&mut NnGraph> {
        None
    }
}

#[derive(Clone)]
struct NamedModel {
    name: String,
    models: Arc<dyn Models>,
}

impl BackendGraph for NamedModel {
    fn init_execution_context(&self) -> Result<ExecutionContext, BackendError> {
        let context: Box<dyn BackendExecutionContext> = Box::new(self.clone());
        Ok(context.into())
    }
}

impl BackendExecutionContext for NamedModel {
    fn set_input(&mut self, _id: Id, _tensor: &Tensor) -> Result<(), BackendError> {
        Err(failure("tensors are given to compute".to_owned()))
    }

    fn get_output(&mut self, _id: Id) -> Result<Tensor, BackendError> {
        Err(failure("tensors are returned by compute".to_owned()))
    }

    fn compute(
        &mut self,
        inputs: Option<Vec<NnNamedTensor>>,
    ) -> Result<Option<Vec<NnNamedTensor>>, BackendError> {
        let tensors: Vec<NamedTensor> =
            inputs.unwrap_or_default().into_iter().map(from_nn).collect::<Result<_, _>>()?;
        let emissions = Inputs::from_tensors(&tensors).and_then(|inputs| {
            // Opening and computing block; the executor moves its other work to another thread meanwhile.
            tokio::task::block_in_place(|| {
                self.models.open(&self.name).and_then(|graph| graph.compute(&inputs))
            })
        });
        // wasmtime hands the guest no more than that the backend failed, so the reason goes as a tensor.
        let answer = emissions.map_or_else(
            |error| {
                tracing::error!(model = self.name, %error, "no emissions");
                error.to_tensor()
            },
            |emissions| emissions.to_tensor(),
        );
        Ok(Some(vec![to_nn(answer)]))
    }
}

fn failure(reason: String) -> BackendError {
    BackendError::BackendAccess(wasmtime::Error::msg(reason))
}

fn from_nn(named: NnNamedTensor) -> Result<NamedTensor, BackendError> {
    let NnNamedTensor { name, tensor } = named;
    let ty = match tensor.ty {
        TensorType::U8 => model::TensorType::U8,
        TensorType::I32 => model::TensorType::I32,
        TensorType::I64 => model::TensorType::I64,
        TensorType::Fp32 => model::TensorType::Fp32,
        other => return Err(failure(format!("tensor {name:?} has type {other:?}, which no model takes"))),
    };
    Ok(NamedTensor { name, dims: tensor.dimensions, ty, data: tensor.data })
}

fn to_nn(named: NamedTensor) -> NnNamedTensor {
    let ty = match named.ty {
        model::TensorType::U8 => TensorType::U8,
        model::TensorType::I32 => TensorType::I32,
        model::TensorType::I64 => TensorType::I64,
        model::TensorType::Fp32 => TensorType::Fp32,
    };
    NnNamedTensor { name: named.name, tensor: Tensor::new(named.dims, ty, named.data) }
}
