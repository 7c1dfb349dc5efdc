//! Inputs and emissions as named tensors, the form in which they cross `wasi:nn`.
//!
//! | name | type | shape |
//! |---|---|---|
//! | `features` | I64 | `[features]` |
//! | `feature_offsets` | I32 | `[words + 1]` |
//! | `sequence_offsets` | I32 | `[sequences + 1]` |
//! | `input_ids`, `attention_mask` | I32 | `[windows, length]`, contextual models only |
//! | `first_pieces` | I32 | `[words]`, contextual models only |
//! | `emissions` (output) | FP32 | `[words, tags]` |
//!
//! What went wrong crosses as JSON, in the text of the interface's error.
//!
//! What comes in is checked completely: neither names nor lengths nor indices are trusted.

use crate::inputs::invalid;
use crate::{Emissions, GraphError, Inputs, Pieces};

/// Element types in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorType {
    /// A byte.
    U8,
    /// 32-bit float.
    Fp32,
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
}

/// A tensor with its name; `data` is little-endian, row after row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedTensor {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub dims: Vec<u32>,
    /// Its elements' type.
    pub ty: TensorType,
    /// Its elements' bytes.
    pub data: Vec<u8>,
}

impl TensorType {
    /// Bytes of one element.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::Fp32 | Self::I32 => 4,
            Self::I64 => 8,
        }
    }
}

const LEXICAL: [&str; 3] = ["features", "feature_offsets", "sequence_offsets"];
const CONTEXTUAL: [&str; 3] = ["input_ids", "attention_mask", "first_pieces"];
const EMISSIONS: &str = "emissions";

impl Inputs {
    /// The inputs as tensors; valid inputs come back equal from [`Inputs::from_tensors`].
    pub fn to_tensors(&self) -> Vec<NamedTensor> {
        let mut tensors = vec![
            tensor(LEXICAL[0], vec![self.features.len()], TensorType::I64, &self.features, |v| {
                v.to_le_bytes()
            }),
            i32s(LEXICAL[1], vec![self.feature_offsets.len()], &self.feature_offsets),
            i32s(LEXICAL[2], vec![self.sequence_offsets.len()], &self.sequence_offsets),
        ];
        if let Some(pieces) = &self.pieces {
            let shape = || vec![pieces.windows, pieces.length];
            tensors.push(i32s(CONTEXTUAL[0], shape(), &pieces.input_ids));
            tensors.push(i32s(CONTEXTUAL[1], shape(), &pieces.attention_mask));
            tensors.push(i32s(CONTEXTUAL[2], vec![pieces.first_pieces.len()], &pieces.first_pieces));
        }
        tensors
    }

    /// Reads tensors in any order and checks everything about them.
    ///
    /// # Errors
    /// [`GraphError::InvalidInput`] naming the first tensor that is missing, unknown, repeated or wrong.
    pub fn from_tensors(tensors: &[NamedTensor]) -> Result<Self, GraphError> {
        for (at, tensor) in tensors.iter().enumerate() {
            let name = tensor.name.as_str();
            if !LEXICAL.contains(&name) && !CONTEXTUAL.contains(&name) {
                return Err(invalid(name, "no tensor of this name is known".into()));
            }
            if tensors[..at].iter().any(|earlier| earlier.name == name) {
                return Err(invalid(name, "given twice".into()));
            }
        }
        let find = |name: &str| tensors.iter().find(|tensor| tensor.name == name);
        let need = |name: &str| find(name).ok_or_else(|| invalid(name, "missing".into()));
        let features = elements(need(LEXICAL[0])?, TensorType::I64, 1, u64::from_le_bytes)?;
        let feature_offsets = elements(need(LEXICAL[1])?, TensorType::I32, 1, u32::from_le_bytes)?;
        let sequence_offsets = elements(need(LEXICAL[2])?, TensorType::I32, 1, u32::from_le_bytes)?;
        let pieces = if CONTEXTUAL.iter().any(|name| find(name).is_some()) {
            let ids = need(CONTEXTUAL[0])?;
            let input_ids = elements(ids, TensorType::I32, 2, i32::from_le_bytes)?;
            let mask = need(CONTEXTUAL[1])?;
            let attention_mask = elements(mask, TensorType::I32, 2, i32::from_le_bytes)?;
            if mask.dims != ids.dims {
                return Err(invalid(
                    CONTEXTUAL[1],
                    format!("shape {:?}, expected {:?}", mask.dims, ids.dims),
                ));
            }
            let first_pieces = elements(need(CONTEXTUAL[2])?, TensorType::I32, 1, i32::from_le_bytes)?;
            let (windows, length) = (ids.dims[0] as usize, ids.dims[1] as usize);
            Some(Pieces { windows, length, input_ids, attention_mask, first_pieces })
        } else {
            None
        };
        let inputs = Self { features, feature_offsets, sequence_offsets, pieces };
        inputs.validate()?;
        Ok(inputs)
    }
}

impl Emissions {
    /// The emissions as a tensor.
    pub fn to_tensor(&self) -> NamedTensor {
        let words = self.scores.len().checked_div(self.tags).unwrap_or(0);
        tensor(EMISSIONS, vec![words, self.tags], TensorType::Fp32, &self.scores, |v| v.to_le_bytes())
    }

    /// Reads the output tensor.
    ///
    /// # Errors
    /// [`GraphError::InvalidInput`] when name, type, shape or length is wrong.
    pub fn from_tensor(tensor: &NamedTensor) -> Result<Self, GraphError> {
        if tensor.name != EMISSIONS {
            return Err(invalid(&tensor.name, format!("expected {EMISSIONS}")));
        }
        let scores = elements(tensor, TensorType::Fp32, 2, f32::from_le_bytes)?;
        Ok(Self { tags: tensor.dims[1] as usize, scores })
    }
}

impl GraphError {
    /// The error as JSON, which comes back equal from [`GraphError::from_json`].
    pub fn to_json(&self) -> String {
        // Enums of texts always serialize.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what the other side said.
    pub fn from_json(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_else(|_| Self::Failed(format!("the host said {json:?}")))
    }
}

fn tensor<T: Copy, const N: usize>(
    name: &str,
    dims: Vec<usize>,
    ty: TensorType,
    values: &[T],
    bytes: fn(T) -> [u8; N],
) -> NamedTensor {
    let mut data = Vec::with_capacity(values.len() * N);
    values.iter().for_each(|&value| data.extend_from_slice(&bytes(value)));
    NamedTensor { name: name.to_owned(), dims: dims.into_iter().map(|dim| dim as u32).collect(), ty, data }
}

trait Element32: Copy {
    fn bytes(self) -> [u8; 4];
}

impl Element32 for u32 {
    fn bytes(self) -> [u8; 4] {
        self.to_le_bytes()
    }
}

impl Element32 for i32 {
    fn bytes(self) -> [u8; 4] {
        self.to_le_bytes()
    }
}

fn i32s<T: Element32>(name: &str, dims: Vec<usize>, values: &[T]) -> NamedTensor {
    tensor(name, dims, TensorType::I32, values, T::bytes)
}

fn elements<T, const N: usize>(
    tensor: &NamedTensor,
    ty: TensorType,
    rank: usize,
    read: fn([u8; N]) -> T,
) -> Result<Vec<T>, GraphError> {
    let wrong = |reason: String| Err(invalid(&tensor.name, reason));
    if tensor.ty != ty {
        return wrong(format!("type {:?}, expected {ty:?}", tensor.ty));
    }
    if tensor.dims.len() != rank {
        return wrong(format!("rank {}, expected {rank}", tensor.dims.len()));
    }
    let count = tensor.dims.iter().try_fold(1usize, |count, &dim| count.checked_mul(dim as usize));
    if count.and_then(|count| count.checked_mul(N)) != Some(tensor.data.len()) {
        return wrong(format!("{} bytes for shape {:?}", tensor.data.len(), tensor.dims));
    }
    Ok(tensor.data.as_chunks().0.iter().map(|&bytes| read(bytes)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inputs() -> impl Strategy<Value = Inputs> {
        let counts = prop::collection::vec(prop::collection::vec(any::<u64>(), 0..4), 0..8);
        (counts, any::<bool>(), 1usize..3, 1usize..5, 0usize..8).prop_map(
            |(words, contextual, windows, length, cut)| {
                let mut inputs =
                    Inputs { feature_offsets: vec![0], sequence_offsets: vec![0], ..Inputs::default() };
                for word in &words {
                    inputs.features.extend(word);
                    inputs.feature_offsets.push(inputs.features.len() as u32);
                }
                let count = words.len() as u32;
                inputs.sequence_offsets.extend([(cut as u32).min(count), count]);
                let places = windows * length;
                inputs.pieces = contextual.then(|| Pieces {
                    windows,
                    length,
                    input_ids: (0..places as i32).collect(),
                    attention_mask: vec![1; places],
                    first_pieces: (0..words.len()).map(|word| (word % places) as i32).collect(),
                });
                inputs
            },
        )
    }

    proptest! {
        #[test]
        fn inputs_survive_the_crossing(inputs in inputs(), turn in 0usize..6) {
            let mut tensors = inputs.to_tensors();
            let count = tensors.len();
            tensors.rotate_left(turn % count);
            prop_assert_eq!(Inputs::from_tensors(&tensors), Ok(inputs));
        }

        #[test]
        fn damage_is_refused(inputs in inputs(), at in 0usize..6, how in 0usize..5) {
            let mut tensors = inputs.to_tensors();
            let at = at % tensors.len();
            match how {
                0 => tensors[at].name.push('x'),
                1 => tensors[at].dims.push(1),
                2 => tensors[at].data.push(0),
                3 => tensors[at].ty = TensorType::Fp32,
                _ => { let again = tensors[at].clone(); tensors.push(again); }
            }
            prop_assert!(Inputs::from_tensors(&tensors).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), at in 0usize..6) {
            let mut tensors = Inputs {
                feature_offsets: vec![0],
                sequence_offsets: vec![0],
                pieces: Some(Pieces::default()),
                ..Inputs::default()
            }.to_tensors();
            tensors[at].dims = vec![(bytes.len() / tensors[at].ty.bytes()) as u32];
            tensors[at].data = bytes;
            let _ = Inputs::from_tensors(&tensors);
        }
    }

    fn valid() -> Inputs {
        Inputs {
            features: vec![7, 8, u64::MAX],
            feature_offsets: vec![0, 2, 3],
            sequence_offsets: vec![0, 1, 2],
            pieces: Some(Pieces {
                windows: 1,
                length: 3,
                input_ids: vec![1, 2, 0],
                attention_mask: vec![1, 1, 0],
                first_pieces: vec![0, 1],
            }),
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let refused = |change: fn(&mut Inputs)| {
            let mut inputs = valid();
            change(&mut inputs);
            Inputs::from_tensors(&inputs.to_tensors()).is_err()
        };
        assert!(!refused(|_| ()));
        assert!(refused(|inputs| inputs.feature_offsets = vec![0, 4, 3]));
        assert!(refused(|inputs| inputs.feature_offsets = vec![0, 1, 2]));
        assert!(refused(|inputs| inputs.feature_offsets = vec![]));
        assert!(refused(|inputs| inputs.feature_offsets = vec![1, 2, 3]));
        assert!(refused(|inputs| inputs.sequence_offsets = vec![0, 1]));
        assert!(refused(|inputs| inputs.pieces.as_mut().expect("there").first_pieces = vec![0, 2]));
        assert!(refused(|inputs| inputs.pieces.as_mut().expect("there").first_pieces = vec![0, -1]));
        assert!(refused(|inputs| inputs.pieces.as_mut().expect("there").first_pieces = vec![0]));
        assert!(refused(|inputs| inputs.pieces.as_mut().expect("there").attention_mask = vec![1, 2, 0]));
        assert!(refused(|inputs| inputs.pieces.as_mut().expect("there").input_ids = vec![1, -2, 0]));
    }

    #[test]
    fn a_missing_tensor_is_named() {
        for name in LEXICAL.iter().chain(&CONTEXTUAL) {
            let mut tensors = valid().to_tensors();
            tensors.retain(|tensor| tensor.name != *name);
            let error = Inputs::from_tensors(&tensors).expect_err("a tensor is missing");
            assert!(matches!(error, GraphError::InvalidInput { name: found, .. } if found == *name));
        }
    }

    #[test]
    fn failures_survive_the_crossing() {
        let (model, reason) = ("m".to_owned(), "head.bin is gone".to_owned());
        for error in [
            GraphError::NotFound(model.clone()),
            GraphError::InvalidInput { name: "features".into(), reason: reason.clone() },
            GraphError::Damaged { model, reason },
            GraphError::Failed("out of memory".into()),
        ] {
            assert_eq!(GraphError::from_json(&error.to_json()), error);
        }
        assert!(matches!(GraphError::from_json("?"), GraphError::Failed(_)));
    }

    #[test]
    fn emissions_survive_the_crossing() {
        let emissions = Emissions { tags: 3, scores: vec![1.5, -2.0, f32::MAX, 0.0, 1e-40, -0.0] };
        let tensor = emissions.to_tensor();
        assert_eq!(tensor.dims, [2, 3]);
        assert_eq!(Emissions::from_tensor(&tensor), Ok(emissions));
        let renamed = NamedTensor { name: "scores".into(), ..tensor };
        assert!(Emissions::from_tensor(&renamed).is_err());
    }
}
