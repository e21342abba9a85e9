//! A TCP proxy that loses connections as told, and counts what passes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How Git's packs begin.
const PACK: &[u8] = b"PACK";

/// How much of a pack passes before its connection is lost: its head, and no object as a whole.
const OF_A_PACK: usize = 16;

/// What becomes of connections.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// Everything passes.
    #[default]
    Open,
    /// Nothing passes, and no connection ends.
    Silent,
    /// A connection ends in the middle of a pack that the client sends.
    CutPush,
    /// A connection ends in the middle of a pack that the client gets.
    CutFetch,
}

/// A running proxy; it ends when dropped.
pub(crate) struct Proxy {
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
    line: Arc<Mutex<Line>>,
    /// How many bytes have passed, both ways.
    bytes: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// Starts a proxy to `target`.
    pub(crate) async fn start(target: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let line = Arc::new(Mutex::new(Line::Open));
        let bytes = Arc::default();
        let (state, count) = (Arc::clone(&line), Arc::clone(&bytes));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, target.clone(), Arc::clone(&state), Arc::clone(&count)));
            }
        });
        Self { address, line, bytes, task }
    }

    /// How many bytes have passed, both ways; begins anew.
    pub(crate) fn take_bytes(&self) -> u64 {
        self.bytes.swap(0, Ordering::Relaxed)
    }

    pub(crate) fn set(&self, line: Line) {
        *self.line.lock().unwrap() = line;
    }
}

async fn serve(client: TcpStream, target: String, line: Arc<Mutex<Line>>, bytes: Arc<AtomicU64>) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // Whichever side ends first ends the connection.
    tokio::select! {
        () = pass(from_client, to_server, (Line::CutPush, &line), &bytes) => {}
        () = pass(from_server, to_client, (Line::CutFetch, &line), &bytes) => {}
    }
}

/// Passes bytes on until either side ends, or a pack begins that is to be cut.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, (cut, line): (Line, &Mutex<Line>), bytes: &AtomicU64) {
    let mut piece = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        let now = *line.lock().unwrap();
        if now == Line::Silent {
            std::future::pending::<()>().await;
        }
        let mut passed = &piece[..read];
        let pack = passed.windows(PACK.len()).position(|window| window == PACK).filter(|_| now == cut);
        if let Some(start) = pack {
            passed = &passed[..(start + OF_A_PACK).min(read)];
        }
        bytes.fetch_add(passed.len() as u64, Ordering::Relaxed);
        if to.write_all(passed).await.is_err() || pack.is_some() {
            return;
        }
    }
}
