//! A caller that spends next to nothing: on a machine of two cores, whatever it did would be taken from the server it measures.

use anyhow::{Context, Result, bail, ensure};
use spindle_tests::Client;
use std::io::{Read, Write};
use std::net::TcpStream;

/// Bytes asked for at once.
const STEP: usize = 64 << 10;

/// A `POST` as it is sent, made once and sent often.
pub(crate) fn request(client: &Client, path: &str, body: &[u8]) -> Vec<u8> {
    let url = client.url(path);
    let place = url.strip_prefix(&client.endpoint).unwrap_or(path);
    let head = format!(
        "POST {place} HTTP/1.1\r\nHost: {}\r\nOcp-Apim-Subscription-Key: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        host(client),
        client.key,
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn host(client: &Client) -> &str {
    client.endpoint.strip_prefix("http://").unwrap_or(&client.endpoint)
}

/// One connection, used for one request after the other.
pub(crate) struct Caller {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Caller {
    pub(crate) fn connect(client: &Client) -> Result<Self> {
        let stream = TcpStream::connect(host(client))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::with_capacity(STEP) })
    }

    /// Sends the request and reads its answer to the end.
    ///
    /// # Errors
    /// The connection broke, or the answer is not a 200.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request)?;
        self.answer.clear();
        let head = loop {
            self.read()?;
            if let Some(end) = self.answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let end = head + length(&self.answer[..head])?;
        while self.answer.len() < end {
            self.read()?;
        }
        ensure!(
            self.answer.starts_with(b"HTTP/1.1 200 "),
            "answered {}",
            String::from_utf8_lossy(&self.answer)
        );
        Ok(())
    }

    fn read(&mut self) -> Result<()> {
        let old = self.answer.len();
        self.answer.resize(old + STEP, 0);
        let got = self.stream.read(&mut self.answer[old..])?;
        self.answer.truncate(old + got);
        if got == 0 {
            bail!("the server ended the connection");
        }
        Ok(())
    }
}

/// Bytes of the body; every answer of the server says how many.
fn length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head)?;
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let field = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, value) = field.context("an answer without content-length")?;
    Ok(value.trim().parse()?)
}
