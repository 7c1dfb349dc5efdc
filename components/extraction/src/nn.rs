//! Graphs of the host, by name, over `wasi:nn`.

mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "spindle:extraction/inference", generate_all });
}

use bindings::wasi::nn::errors::{Error, ErrorCode};
use bindings::wasi::nn::graph::{self, load_by_name};
use bindings::wasi::nn::tensor::{Tensor, TensorType as NnType};
use model::{Emissions, Graph, GraphError, Inputs, NamedTensor, TensorType};

/// Every model the host knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NamedGraphs;

struct NamedGraph {
    name: String,
    graph: graph::Graph,
}

impl extraction::Graphs for NamedGraphs {
    fn open(&self, model_id: &str) -> Result<Box<dyn Graph>, GraphError> {
        let graph = load_by_name(model_id).map_err(|error| failure(model_id, &error))?;
        Ok(Box::new(NamedGraph { name: model_id.to_owned(), graph }))
    }
}

impl Graph for NamedGraph {
    fn compute(&self, inputs: &Inputs) -> Result<Emissions, GraphError> {
        let failed = |error: Error| failure(&self.name, &error);
        let tensors = inputs.to_tensors().into_iter().map(to_nn).collect();
        let context = self.graph.init_execution_context().map_err(failed)?;
        let outputs = context.compute(tensors).map_err(failed)?;
        let [(name, tensor)] = <[_; 1]>::try_from(outputs).map_err(|outputs| {
            GraphError::Failed(format!("{} tensors came back, expected one", outputs.len()))
        })?;
        Emissions::from_tensor(&from_nn(name, &tensor)?)
    }
}

fn to_nn(tensor: NamedTensor) -> (String, Tensor) {
    let ty = match tensor.ty {
        TensorType::Fp32 => NnType::Fp32,
        TensorType::U8 => NnType::U8,
        TensorType::I32 => NnType::I32,
        TensorType::I64 => NnType::I64,
    };
    (tensor.name, Tensor::new(&tensor.dims, ty, &tensor.data))
}

fn from_nn(name: String, tensor: &Tensor) -> Result<NamedTensor, GraphError> {
    let ty = match tensor.ty() {
        NnType::Fp32 => TensorType::Fp32,
        NnType::U8 => TensorType::U8,
        NnType::I32 => TensorType::I32,
        NnType::I64 => TensorType::I64,
        other => return Err(GraphError::Failed(format!("tensor {name} has type {other:?}"))),
    };
    Ok(NamedTensor { name, dims: tensor.dimensions(), ty, data: tensor.data() })
}

/// The interface has codes of its own; what the host's model says is in the text.
fn failure(model: &str, error: &Error) -> GraphError {
    match error.code() {
        ErrorCode::NotFound => GraphError::NotFound(model.to_owned()),
        ErrorCode::InvalidArgument => {
            GraphError::InvalidInput { name: "tensors".to_owned(), reason: error.data() }
        }
        _ => GraphError::Failed(error.data()),
    }
}
