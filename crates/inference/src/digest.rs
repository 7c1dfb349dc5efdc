//! SHA-256 of what is too large to hold in memory, in lower-case hexadecimal.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

/// Digest of everything `reader` gives.
pub(crate) fn sha256_of(reader: &mut impl Read) -> io::Result<String> {
    let mut writer = DigestWriter::new(io::sink());
    io::copy(reader, &mut writer)?;
    Ok(writer.finish().0)
}

/// Whether `text` is a digest as this module writes them.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Passes bytes on and digests them on the way.
pub(crate) struct DigestWriter<W> {
    inner: W,
    state: Sha256,
}

impl<W: Write> DigestWriter<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, state: Sha256::new() }
    }

    /// Digest of all that was written, and where it went.
    pub(crate) fn finish(self) -> (String, W) {
        (model::hex(&self.state.finalize()), self.inner)
    }
}

impl<W: Write> Write for DigestWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.state.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn digests_agree_with_the_standard_however_they_are_computed() {
        assert_eq!(model::sha256_hex(b"abc"), ABC);
        assert_eq!(sha256_of(&mut b"abc".as_slice()).ok().as_deref(), Some(ABC));
        assert!(is_sha256(ABC) && !is_sha256(&ABC.to_uppercase()) && !is_sha256("../abc"));
    }
}
