//! A SOCKS 5 proxy that leads every connection to one place, and notes who wanted to go where.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A running proxy; it ends when dropped.
pub struct Socks {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Socks {
    /// Starts a proxy to `target`.
    pub async fn start(target: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, target.clone(), Arc::clone(&notes)));
            }
        });
        Self { address, seen, task }
    }

    /// Lists `user:password@host:port` of all connections.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Socks {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, target: String, notes: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let methods = [stream.read_u8().await?, stream.read_u8().await?][1];
    text(&mut stream, methods).await?;
    stream.write_all(&[5, 2]).await?;
    stream.read_u8().await?;
    let length = stream.read_u8().await?;
    let username = text(&mut stream, length).await?;
    let length = stream.read_u8().await?;
    let password = text(&mut stream, length).await?;
    stream.write_all(&[1, 0]).await?;
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    assert_eq!(head[3], 3, "the proxy resolves the name");
    let length = stream.read_u8().await?;
    let host = text(&mut stream, length).await?;
    let port = stream.read_u16().await?;
    notes.lock().unwrap().push(format!("{username}:{password}@{host}:{port}"));
    let mut onward = TcpStream::connect(target).await?;
    stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    copy_bidirectional(&mut stream, &mut onward).await.map(|_| ())
}

async fn text(stream: &mut TcpStream, length: u8) -> std::io::Result<String> {
    let mut bytes = vec![0; length.into()];
    stream.read_exact(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
