//! A way between two programs that takes time.

use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// The most of a stream that is read at once.
const CHUNK: usize = 64 << 10;

/// A port that leads to another one of this machine, and how far away that seems.
pub(crate) struct Way {
    pub(crate) port: u16,
    /// What is under way ends with it.
    _runtime: Runtime,
}

impl Way {
    /// A way to a port of this machine; `there_and_back` is how long a request and its answer are under way together.
    pub(crate) fn to(port: u16, there_and_back: Duration) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let own = listener.local_addr().unwrap().port();
        runtime.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    let _ = (near.set_nodelay(true), far.set_nodelay(true));
                    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
                    tokio::join!(
                        carry(from_near, to_far, there_and_back / 2),
                        carry(from_far, to_near, there_and_back / 2)
                    );
                });
            }
        });
        Self { port: own, _runtime: runtime }
    }
}

/// Carries what is read to where it is written, each piece so much later.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, later: Duration) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        loop {
            let mut piece = vec![0; CHUNK];
            match from.read(&mut piece).await {
                Ok(length) if length > 0 => piece.truncate(length),
                _ => return,
            }
            if sender.send((Instant::now() + later, piece)).is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((when, piece)) = receiver.recv().await {
            tokio::time::sleep_until(when.into()).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}
