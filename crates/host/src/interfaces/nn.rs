//! `wasi:nn`: models by name, nothing else.
//!
//! `load` (a graph from a guest's bytes) is refused; `load-by-name` opens what the inference engine knows. Inputs are
//! validated as a whole before native code sees them. The interface's calls are synchronous: an instance whose guest waits
//! for a model does nothing else meanwhile, so components with models answer one request per instance at a time.

use crate::state::State;
use bindings::wasi::nn::errors::{ErrorCode, Host as ErrorsHost, HostError};
use bindings::wasi::nn::graph::{ExecutionTarget, GraphEncoding, Host as GraphHost, HostGraph};
use bindings::wasi::nn::inference::{Host as InferenceHost, HostGraphExecutionContext};
use bindings::wasi::nn::tensor::{Host as TensorHost, HostTensor, TensorType as NnType};
use model::{Emissions, Graph, GraphError, Inputs, NamedTensor, TensorType};
use std::sync::Arc;
use wasmtime::component::{HasSelf, Linker, Resource};

pub(crate) mod bindings {
    //! Bindings generated from `wit/`.
    #![allow(missing_docs, unreachable_pub, clippy::all)]
    wasmtime::component::bindgen!({
        path: "wit",
        world: "models",
        imports: {
            "wasi:nn/inference.[method]graph-execution-context.compute": async | trappable,
            default: trappable,
        },
        with: {
            "wasi:nn/tensor.tensor": super::Tensor,
            "wasi:nn/errors.error": super::Failure,
            "wasi:nn/graph.graph": super::NamedModel,
            "wasi:nn/inference.graph-execution-context": super::NamedModel,
        },
    });
}

/// Opens a model's graph by the model's id. The host's owner provides it; blocking.
pub trait Models: Send + Sync {
    /// The graph behind `name`.
    ///
    /// # Errors
    /// [`GraphError`]: unknown, damaged, or the machine's fault.
    fn open(&self, name: &str) -> Result<Arc<dyn Graph + Send + Sync>, GraphError>;
}

/// A guest's tensor, not looked at yet.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Tensor {
    dimensions: Vec<u32>,
    ty: NnType,
    data: Vec<u8>,
}

/// Why there is no graph or no answer.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Failure(GraphError);

/// A graph, and what computes it. The model itself is opened per call (the engine caches it), so that damage and eviction
/// are seen in time.
#[derive(Clone)]
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct NamedModel {
    name: String,
    models: Arc<dyn Models>,
}

/// Adds the interface for a component that may load models.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    bindings::Models::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

impl TensorHost for State {}
impl ErrorsHost for State {}
impl InferenceHost for State {}

impl HostTensor for State {
    fn new(&mut self, dimensions: Vec<u32>, ty: NnType, data: Vec<u8>) -> wasmtime::Result<Resource<Tensor>> {
        Ok(self.table.push(Tensor { dimensions, ty, data })?)
    }

    fn dimensions(&mut self, tensor: Resource<Tensor>) -> wasmtime::Result<Vec<u32>> {
        Ok(self.table.get(&tensor)?.dimensions.clone())
    }

    fn ty(&mut self, tensor: Resource<Tensor>) -> wasmtime::Result<NnType> {
        Ok(self.table.get(&tensor)?.ty)
    }

    fn data(&mut self, tensor: Resource<Tensor>) -> wasmtime::Result<Vec<u8>> {
        Ok(self.table.get(&tensor)?.data.clone())
    }

    fn drop(&mut self, tensor: Resource<Tensor>) -> wasmtime::Result<()> {
        self.table.delete(tensor)?;
        Ok(())
    }
}

impl HostError for State {
    fn code(&mut self, error: Resource<Failure>) -> wasmtime::Result<ErrorCode> {
        Ok(match &self.table.get(&error)?.0 {
            GraphError::NotFound(_) => ErrorCode::NotFound,
            GraphError::InvalidInput { .. } => ErrorCode::InvalidArgument,
            GraphError::Damaged { .. } | GraphError::Failed(_) => ErrorCode::RuntimeError,
        })
    }

    /// The error as JSON: the interface leaves to hosts what they say here.
    fn data(&mut self, error: Resource<Failure>) -> wasmtime::Result<String> {
        Ok(self.table.get(&error)?.0.to_json())
    }

    fn drop(&mut self, error: Resource<Failure>) -> wasmtime::Result<()> {
        self.table.delete(error)?;
        Ok(())
    }
}

impl GraphHost for State {
    fn load(
        &mut self,
        _parts: Vec<Vec<u8>>,
        _encoding: GraphEncoding,
        _target: ExecutionTarget,
    ) -> wasmtime::Result<Result<Resource<NamedModel>, Resource<Failure>>> {
        let refusal = GraphError::Failed("graphs are loaded by name alone".to_owned());
        Ok(Err(self.table.push(Failure(refusal))?))
    }

    fn load_by_name(
        &mut self,
        name: String,
    ) -> wasmtime::Result<Result<Resource<NamedModel>, Resource<Failure>>> {
        let Some(models) = &self.grants.models else {
            return Ok(Err(self.table.push(Failure(GraphError::NotFound(name)))?));
        };
        let model = NamedModel { name, models: Arc::clone(models) };
        Ok(Ok(self.table.push(model)?))
    }
}

impl HostGraph for State {
    fn init_execution_context(
        &mut self,
        graph: Resource<NamedModel>,
    ) -> wasmtime::Result<Result<Resource<NamedModel>, Resource<Failure>>> {
        let model = self.table.get(&graph)?.clone();
        Ok(Ok(self.table.push(model)?))
    }

    fn drop(&mut self, graph: Resource<NamedModel>) -> wasmtime::Result<()> {
        self.table.delete(graph)?;
        Ok(())
    }
}

type NamedTensors = Vec<(String, Resource<Tensor>)>;

impl HostGraphExecutionContext for State {
    async fn compute(
        &mut self,
        context: Resource<NamedModel>,
        inputs: NamedTensors,
    ) -> wasmtime::Result<Result<NamedTensors, Resource<Failure>>> {
        let (model, tensors) = self.take(&context, inputs)?;
        // Opening and computing block.
        let computed = tokio::task::spawn_blocking(move || model.compute(tensors?)).await;
        self.give(computed.unwrap_or_else(|error| Err(GraphError::Failed(error.to_string()))))
    }

    fn drop(&mut self, context: Resource<NamedModel>) -> wasmtime::Result<()> {
        self.table.delete(context)?;
        Ok(())
    }
}

impl State {
    /// The model and what it is given; a tensor of a type that no model takes is the guest's error.
    fn take(
        &mut self,
        context: &Resource<NamedModel>,
        inputs: NamedTensors,
    ) -> wasmtime::Result<(NamedModel, Result<Vec<NamedTensor>, GraphError>)> {
        let model = self.table.get(context)?.clone();
        let mut tensors = Vec::with_capacity(inputs.len());
        for (name, tensor) in inputs {
            // Given away by the guest, so nobody needs its copy any more.
            tensors.push((name, self.table.delete(tensor)?));
        }
        Ok((model, tensors.into_iter().map(from_nn).collect()))
    }

    fn give(
        &mut self,
        computed: Result<Emissions, GraphError>,
    ) -> wasmtime::Result<Result<NamedTensors, Resource<Failure>>> {
        Ok(match computed {
            Ok(emissions) => {
                let NamedTensor { name, dims, ty, data } = emissions.to_tensor();
                Ok(vec![(name, self.table.push(Tensor { dimensions: dims, ty: to_nn(ty), data })?)])
            }
            Err(error) => Err(self.table.push(Failure(error))?),
        })
    }
}

impl NamedModel {
    fn compute(&self, tensors: Vec<NamedTensor>) -> Result<Emissions, GraphError> {
        let emissions = Inputs::from_tensors(&tensors)
            .and_then(|inputs| self.models.open(&self.name).and_then(|graph| graph.compute(&inputs)));
        emissions.inspect_err(|error| tracing::error!(model = self.name, %error, "no emissions"))
    }
}

fn from_nn((name, tensor): (String, Tensor)) -> Result<NamedTensor, GraphError> {
    let Tensor { dimensions: dims, ty, data } = tensor;
    let ty = match ty {
        NnType::U8 => TensorType::U8,
        NnType::I32 => TensorType::I32,
        NnType::I64 => TensorType::I64,
        NnType::Fp32 => TensorType::Fp32,
        other => {
            let reason = format!("of type {other:?}, which no model takes");
            return Err(GraphError::InvalidInput { name, reason });
        }
    };
    Ok(NamedTensor { name, dims, ty, data })
}

fn to_nn(ty: TensorType) -> NnType {
    match ty {
        TensorType::U8 => NnType::U8,
        TensorType::I32 => NnType::I32,
        TensorType::I64 => NnType::I64,
        TensorType::Fp32 => NnType::Fp32,
    }
}
