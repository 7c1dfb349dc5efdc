//! Graphs of the host, by name, over `wasi:nn`.

mod bindings {
    wit_bindgen::generate!({ path: "../../crates/host/wit", world: "spindle:host/models", generate_all });
}

use bindings::wasi::nn::errors::Error;
use bindings::wasi::nn::graph::load_by_name;
use bindings::wasi::nn::tensor::{Tensor, TensorType as NnType};
use model::{Emissions, GraphError, Inputs, NamedTensor, TensorType};

/// Every model the host knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NamedGraphs;

impl extraction::Graphs for NamedGraphs {
    fn compute(&self, model_id: &str, inputs: &Inputs) -> Result<Emissions, GraphError> {
        let failed = |error: Error| GraphError::from_json(&error.data());
        let tensors = inputs.to_tensors().into_iter().map(to_nn).collect();
        let context =
            load_by_name(model_id).and_then(|graph| graph.init_execution_context()).map_err(failed)?;
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
