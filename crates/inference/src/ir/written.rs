//! A graph that this crate has written, read again: where each layer's weights lie in the constants, and the same graph cut
//! off below a layer.
//!
//! Operations come in the order in which they were written, one to a line, so the order alone says what each constant is.

use std::fmt::Write as _;
use std::ops::Range;

use model::{Activation, LAYER_TENSORS, LayerShape};

/// Constants with dimensions before the first layer's: word pieces, positions, and the normalisation's two.
const EMBEDDING_TENSORS: usize = 4;

/// Where a tensor lies in the constants, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The floats, or the 8-bit integers.
    pub(crate) values: Range<usize>,
    /// The rows' scales, where there are integers.
    pub(crate) scales: Option<Range<usize>>,
}

/// What a graph says about itself.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) shape: LayerShape,
    /// For each layer from the first its tensors, in the order of [`LAYER_TENSORS`].
    pub(crate) places: Vec<Vec<Place>>,
    /// The operation that gives the embeddings, and after it each layer's last.
    ends: Vec<usize>,
}

/// One operation.
struct Operation<'a> {
    id: usize,
    kind: &'a str,
    line: &'a str,
}

/// A constant with dimensions.
struct Constant {
    element: String,
    shape: Vec<usize>,
    bytes: Range<usize>,
}

impl Written {
    /// Reads the XML of an encoder of `width`, whose output is the mean of the layers `output`, and the constants `bin`.
    ///
    /// # Errors
    /// A sentence saying what is not as this crate writes it.
    pub(crate) fn read(xml: &str, bin: &[u8], width: usize, output: &[usize]) -> Result<Self, String> {
        let operations = operations(xml)?;
        let layers = output.last().copied().unwrap_or(0);
        let ends = ends(&operations, layers)?;
        let first = |kind: &str| operations.iter().find(|operation| operation.kind == kind);
        let epsilon = first("MVN").and_then(|operation| attribute(operation.line, "eps"));
        let epsilon = epsilon.and_then(|text| text.parse().ok()).ok_or("it has no normalisation")?;
        let constants = operations.iter().filter(|operation| operation.kind == "Const");
        let constants = constants.map(constant).collect::<Result<Vec<_>, _>>()?;
        let heads = heads(&constants, bin).ok_or("it has no attention heads")?;
        let weights: Vec<&Constant> = constants
            .iter()
            .filter(|constant| constant.element != "i64" && !constant.shape.is_empty())
            .skip(EMBEDDING_TENSORS)
            .collect();
        let inner = inner(&weights, width).ok_or("it has no feed-forward part")?;
        let activation = activation(&operations)?;
        let shape = LayerShape { width, heads, inner, epsilon, activation, output: output.to_vec() };
        let places = places(&weights, &shape)?;
        let outside = places.iter().flatten().find(|place| {
            place.values.end.max(place.scales.as_ref().map_or(0, |scales| scales.end)) > bin.len()
        });
        match outside {
            Some(place) => Err(format!("weights at {:?} lie outside the constants", place.values)),
            None => Ok(Self { shape, places, ends }),
        }
    }

    /// The XML of the graph whose output are the hidden states below layer `number`, over the same constants; `None`
    /// where there is no such layer.
    pub(crate) fn below(&self, xml: &str, number: usize) -> Option<String> {
        let last = *self.ends.get(number.checked_sub(1)?)?;
        let within = |line: &str, name: &str| {
            attribute(line, name).and_then(|id| id.parse::<usize>().ok()).is_some_and(|id| id <= last)
        };
        let mut kept = String::with_capacity(xml.len());
        for line in xml.lines() {
            let keep = match line.split_once(' ').map_or(line, |(tag, _)| tag) {
                "<layer" => within(line, "id"),
                "<edge" => within(line, "from-layer") && within(line, "to-layer"),
                _ => true,
            };
            let result = last + 1;
            if line == "</layers>" {
                let _ = writeln!(
                    kept,
                    "<layer id=\"{result}\" name=\"hidden/result\" type=\"Result\" version=\"opset1\">\
                     <input><port id=\"0\" precision=\"FP32\"/></input></layer>"
                );
            }
            if line == "</edges>" {
                // An addition's output is its third port.
                let _ = writeln!(
                    kept,
                    "<edge from-layer=\"{last}\" from-port=\"2\" to-layer=\"{result}\" to-port=\"0\"/>"
                );
            }
            if keep {
                kept.push_str(line);
                kept.push('\n');
            }
        }
        Some(kept)
    }
}

fn operations(xml: &str) -> Result<Vec<Operation<'_>>, String> {
    let lines = xml.lines().filter(|line| line.starts_with("<layer "));
    let operation = |line| {
        let id = attribute(line, "id").and_then(|id| id.parse().ok());
        let kind = attribute(line, "type");
        id.zip(kind).map(|(id, kind)| Operation { id, kind, line })
    };
    lines.map(|line| operation(line).ok_or_else(|| "an operation has no id or type".to_owned())).collect()
}

/// The value of an attribute in a line.
fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = line;
    while let Some(at) = rest.find(name) {
        let (before, after) = rest.split_at(at);
        let after = &after[name.len()..];
        if before.ends_with(' ')
            && let Some(value) = after.strip_prefix("=\"")
        {
            return value.split_once('"').map(|(value, _)| value);
        }
        rest = after;
    }
    None
}

/// Each layer normalises twice and the embeddings once; a normalisation ends with an addition.
fn ends(operations: &[Operation<'_>], layers: usize) -> Result<Vec<usize>, String> {
    let normal = operations.iter().enumerate().filter(|(_, operation)| operation.kind == "MVN");
    let ends = normal.step_by(2).map(|(at, _)| {
        let rest = &operations[at..];
        rest.iter().find(|operation| operation.kind == "Add").map(|operation| operation.id)
    });
    let ends: Option<Vec<usize>> = ends.collect();
    match ends {
        Some(ends) if layers > 0 && ends.len() == layers + 1 => Ok(ends),
        _ => Err(format!("it does not have {layers} layers")),
    }
}

fn constant(operation: &Operation<'_>) -> Result<Constant, String> {
    let read = || {
        let number = |name| attribute(operation.line, name)?.parse::<usize>().ok();
        let start = number("offset")?;
        let shape = attribute(operation.line, "shape")?;
        let dims = shape.split(',').filter(|dim| !dim.is_empty()).map(|dim| dim.parse().ok());
        Some(Constant {
            element: attribute(operation.line, "element_type")?.to_owned(),
            shape: dims.collect::<Option<_>>()?,
            bytes: start..start.checked_add(number("size")?)?,
        })
    };
    read().ok_or_else(|| format!("constant {} is not readable", operation.id))
}

/// The first reshaping into heads is to `[0, 0, heads, width / heads]`.
fn heads(constants: &[Constant], bin: &[u8]) -> Option<usize> {
    let shape = constants.iter().find(|constant| constant.element == "i64" && constant.shape == [4])?;
    let values = bin.get(shape.bytes.clone())?.as_chunks::<8>().0;
    usize::try_from(i64::from_le_bytes(*values.get(2)?)).ok().filter(|&heads| heads > 0)
}

/// Rows of the first matrix that is not square.
fn inner(weights: &[&Constant], width: usize) -> Option<usize> {
    let matrix = |constant: &&&Constant| matches!(constant.shape[..], [rows, columns] if columns == width && rows != width);
    let square = |constant: &&&Constant| constant.shape == [width, width];
    // Where both parts have one width, all matrices are square.
    weights.iter().find(matrix).or_else(|| weights.iter().find(square)).map(|constant| constant.shape[0])
}

fn activation(operations: &[Operation<'_>]) -> Result<Activation, String> {
    let found = operations.iter().find_map(|operation| match operation.kind {
        "ReLU" => Some(Activation::Relu),
        "Gelu" if attribute(operation.line, "approximation_mode") == Some("TANH") => {
            Some(Activation::GeluTanh)
        }
        "Gelu" => Some(Activation::Gelu),
        _ => None,
    });
    found.ok_or_else(|| "it has no activation".to_owned())
}

/// Takes tensor after tensor, each of which must have its shape.
fn places(weights: &[&Constant], shape: &LayerShape) -> Result<Vec<Vec<Place>>, String> {
    let mut next = weights.iter();
    let mut place = |expected: &[usize]| {
        let constant = next.next()?;
        let values = constant.bytes.clone();
        let count: usize = expected.iter().product();
        let (fits, scales) = match constant.element.as_str() {
            "i8" => {
                let scales = next.next()?;
                let rows = expected.first().copied().unwrap_or(0);
                let fit = values.len() == count && scales.element == "f32" && scales.bytes.len() == 4 * rows;
                (fit, Some(scales.bytes.clone()))
            }
            _ => (constant.element == "f32" && values.len() == 4 * count, None),
        };
        (fits && constant.shape == expected).then_some(Place { values, scales })
    };
    let tensors = shape.tensors();
    let mut layer = |number: usize| {
        let names = tensors.iter().zip(LAYER_TENSORS);
        let places = names.map(|(tensor, name)| {
            place(tensor).ok_or_else(|| format!("{name} of layer {number} is not {tensor:?}"))
        });
        places.collect::<Result<Vec<_>, _>>()
    };
    (1..=shape.layers()).map(&mut layer).collect()
}
