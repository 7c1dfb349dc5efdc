//! The two files of an IR, grown operation by operation.

use std::fmt::Write as _;
use std::io::{self, Write};

/// Constants start at multiples of this many bytes, so that OpenVINO can use them where they are mapped.
const ALIGNMENT: u64 = 64;

/// One output of one operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port {
    layer: usize,
    port: usize,
    precision: Precision,
}

/// Element types in the words of a port's `precision` attribute.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Precision {
    F32,
    I8,
    I32,
    I64,
}

impl Precision {
    fn attribute(self) -> &'static str {
        match self {
            Self::F32 => "FP32",
            Self::I8 => "I8",
            Self::I32 => "I32",
            Self::I64 => "I64",
        }
    }

    fn element_type(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::I8 => "i8",
            Self::I32 => "i32",
            Self::I64 => "i64",
        }
    }
}

/// A graph being written: constants go to `bin` at once, operations are kept until [`GraphWriter::finish`].
pub(crate) struct GraphWriter<W> {
    layers: String,
    edges: String,
    next: usize,
    bin: W,
    offset: u64,
}

impl<W: Write> GraphWriter<W> {
    pub(crate) fn new(bin: W) -> Self {
        Self { layers: String::new(), edges: String::new(), next: 0, bin, offset: 0 }
    }

    /// An `i32` input with two dimensions that change from call to call.
    pub(crate) fn input(&mut self, name: &str) -> Port {
        let head = format!(
            "<layer id=\"{id}\" name=\"{name}\" type=\"Parameter\" version=\"opset1\">\
             <data shape=\"?,?\" element_type=\"i32\"/><output><port id=\"0\" precision=\"I32\" names=\"{name}\">\
             <dim>-1</dim><dim>-1</dim></port></output></layer>\n",
            id = self.next
        );
        self.push(&head, 0, Precision::I32)
    }

    /// A 32-bit float constant from its little-endian bytes.
    pub(crate) fn floats(&mut self, shape: &[usize], bytes: &[u8]) -> io::Result<Port> {
        debug_assert_eq!(shape.iter().product::<usize>() * 4, bytes.len());
        self.constant(Precision::F32, shape, bytes)
    }

    /// A constant of signed 8-bit integers.
    pub(crate) fn bytes(&mut self, shape: &[usize], bytes: &[u8]) -> io::Result<Port> {
        debug_assert_eq!(shape.iter().product::<usize>(), bytes.len());
        self.constant(Precision::I8, shape, bytes)
    }

    /// One 32-bit float.
    pub(crate) fn float(&mut self, value: f32) -> io::Result<Port> {
        self.floats(&[], &value.to_le_bytes())
    }

    /// A list of 64-bit integers: axes, orders, shapes.
    pub(crate) fn integers(&mut self, values: &[i64]) -> io::Result<Port> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(Precision::I64, &[values.len()], &bytes)
    }

    /// One 64-bit integer.
    pub(crate) fn integer(&mut self, value: i64) -> io::Result<Port> {
        self.constant(Precision::I64, &[], &value.to_le_bytes())
    }

    /// An operation with one output of its first input's element type.
    ///
    /// `kind` is `Type@opset`, opset 1 when left out; `attributes` go into its `<data>` element.
    pub(crate) fn op(&mut self, kind: &str, attributes: &[(&str, &str)], inputs: &[Port]) -> Port {
        self.operation(kind, attributes, inputs, inputs[0].precision, None)
    }

    /// An operation with one output of element type `to`, which it gets as the attribute `attribute`.
    pub(crate) fn retyped(&mut self, kind: &str, attribute: &str, input: Port, to: Precision) -> Port {
        self.operation(kind, &[(attribute, to.element_type())], &[input], to, None)
    }

    /// An operation whose output is a result of the graph, under `tensor`.
    pub(crate) fn output(&mut self, tensor: &str, kind: &str, attributes: &[(&str, &str)], inputs: &[Port]) {
        let port = self.operation(kind, attributes, inputs, inputs[0].precision, Some(tensor));
        let layer = format!(
            "<layer id=\"{id}\" name=\"{tensor}/result\" type=\"Result\" version=\"opset1\">\
             <input><port id=\"0\" precision=\"{precision}\"/></input></layer>\n",
            id = self.next,
            precision = port.precision.attribute()
        );
        let result = self.push(&layer, 0, port.precision);
        self.connect(port, result.layer, 0);
    }

    /// The XML, and the sink with every constant written.
    pub(crate) fn finish(mut self, name: &str) -> io::Result<(String, W)> {
        self.bin.flush()?;
        let xml = format!(
            "<?xml version=\"1.0\"?>\n<net name=\"{name}\" version=\"11\">\n<layers>\n{}</layers>\n<edges>\n{}</edges>\n</net>\n",
            self.layers, self.edges
        );
        Ok((xml, self.bin))
    }

    fn operation(
        &mut self,
        kind: &str,
        attributes: &[(&str, &str)],
        inputs: &[Port],
        precision: Precision,
        tensor: Option<&str>,
    ) -> Port {
        let (name, opset) = kind.split_once('@').unwrap_or((kind, "opset1"));
        let id = self.next;
        let mut layer =
            format!("<layer id=\"{id}\" name=\"{id}_{name}\" type=\"{name}\" version=\"{opset}\">");
        if !attributes.is_empty() {
            layer.push_str("<data");
            for (key, value) in attributes {
                let _ = write!(layer, " {key}=\"{value}\"");
            }
            layer.push_str("/>");
        }
        layer.push_str("<input>");
        for (index, input) in inputs.iter().enumerate() {
            let _ = write!(layer, "<port id=\"{index}\" precision=\"{}\"/>", input.precision.attribute());
        }
        let names = tensor.map_or_else(String::new, |tensor| format!(" names=\"{tensor}\""));
        let _ = writeln!(
            layer,
            "</input><output><port id=\"{}\" precision=\"{}\"{names}/></output></layer>",
            inputs.len(),
            precision.attribute()
        );
        let port = self.push(&layer, inputs.len(), precision);
        for (index, input) in inputs.iter().enumerate() {
            self.connect(*input, id, index);
        }
        port
    }

    fn constant(&mut self, precision: Precision, shape: &[usize], bytes: &[u8]) -> io::Result<Port> {
        let padding = self.offset.next_multiple_of(ALIGNMENT) - self.offset;
        self.bin.write_all(&[0; ALIGNMENT as usize][..padding as usize])?;
        self.bin.write_all(bytes)?;
        let start = self.offset + padding;
        self.offset = start + bytes.len() as u64;
        let shape_text = shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let dims: String = shape.iter().map(|dim| format!("<dim>{dim}</dim>")).collect();
        let layer = format!(
            "<layer id=\"{id}\" name=\"{id}_Const\" type=\"Const\" version=\"opset1\">\
             <data element_type=\"{element}\" shape=\"{shape_text}\" offset=\"{start}\" size=\"{size}\"/>\
             <output><port id=\"0\" precision=\"{attribute}\">{dims}</port></output></layer>\n",
            id = self.next,
            size = bytes.len(),
            element = precision.element_type(),
            attribute = precision.attribute()
        );
        Ok(self.push(&layer, 0, precision))
    }

    fn push(&mut self, layer: &str, port: usize, precision: Precision) -> Port {
        self.layers.push_str(layer);
        self.next += 1;
        Port { layer: self.next - 1, port, precision }
    }

    fn connect(&mut self, from: Port, to_layer: usize, to_port: usize) {
        let _ = writeln!(
            self.edges,
            "<edge from-layer=\"{}\" from-port=\"{}\" to-layer=\"{to_layer}\" to-port=\"{to_port}\"/>",
            from.layer, from.port
        );
    }
}
