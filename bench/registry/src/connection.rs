//! A minimal HTTP/1.1 client connection.

use crate::measure::Fallible;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A keep-alive connection for one request at a time. It reconnects when the server closes it, as the Java
/// server does after some hundred requests.
pub struct Connection {
    address: String,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: &str) -> Fallible<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { address: address.to_owned(), stream, buffer: Vec::new() })
    }

    pub async fn get(&mut self, path: &str) -> Fallible<(u16, Vec<u8>)> {
        self.send("GET", path, "").await
    }

    pub async fn send(&mut self, method: &str, path: &str, body: &str) -> Fallible<(u16, Vec<u8>)> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: registry\r\nAccept: application/json\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if let Some(response) = self.try_send(&request).await? {
            return Ok(response);
        }
        *self = Self::open(&self.address).await?;
        self.try_send(&request).await?.ok_or_else(|| "the server closes every connection".into())
    }

    /// Sends a request; returns nothing if the server has closed the connection before the response.
    async fn try_send(&mut self, request: &str) -> Fallible<Option<(u16, Vec<u8>)>> {
        self.buffer.clear();
        if self.stream.write_all(request.as_bytes()).await.is_err() {
            return Ok(None);
        }
        let head = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) if self.buffer.is_empty() => return Ok(None),
                Ok(0) => return Err("the server closed the connection".into()),
                read => read?,
            };
        };
        let text = String::from_utf8_lossy(&self.buffer[..head]).to_lowercase();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let length = text.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
        let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
        while self.buffer.len() < head + length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server closed the connection".into());
            }
        }
        let body = self.buffer[head..head + length].to_vec();
        if text.contains("connection: close") {
            *self = Self::open(&self.address).await?;
        }
        Ok(Some((status, body)))
    }

    /// Sends a request and expects a status.
    pub async fn expect(&mut self, status: u16, method: &str, path: &str, body: &str) -> Fallible<Vec<u8>> {
        let (actual, response) = self.send(method, path, body).await?;
        if actual == status {
            return Ok(response);
        }
        Err(format!("{method} {path}: {actual} {}", String::from_utf8_lossy(&response)).into())
    }
}
