//! Packs as nobody makes them, and a server that gives them to whoever asks.

#![allow(dead_code, clippy::unwrap_used)]

use std::io::Write;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, Request};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use sha1::{Digest, Sha1};

/// The kinds of objects as packs number them.
pub(crate) const COMMIT: u8 = 1;
pub(crate) const TREE: u8 = 2;
pub(crate) const BLOB: u8 = 3;
const OFFSET_DELTA: u8 = 6;
const NAMED_DELTA: u8 = 7;

pub(crate) type Id = [u8; 20];

/// The most bytes of a pack in one packet.
const BAND: usize = 65_000;

pub(crate) fn id(kind: u8, bytes: &[u8]) -> Id {
    let kind = ["", "commit", "tree", "blob", "tag"][usize::from(kind)];
    Sha1::new().chain_update(format!("{kind} {}\0", bytes.len())).chain_update(bytes).finalize().into()
}

pub(crate) fn hex(id: &Id) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A pack that is being written.
pub(crate) struct Pack {
    bytes: Vec<u8>,
    count: u32,
}

impl Pack {
    pub(crate) fn new() -> Self {
        Self { bytes: b"PACK\0\0\0\x02\0\0\0\0".to_vec(), count: 0 }
    }

    /// Adds an object; returns its id.
    pub(crate) fn object(&mut self, kind: u8, bytes: &[u8]) -> Id {
        self.entry(kind, bytes.len(), &[], bytes);
        id(kind, bytes)
    }

    /// Adds an object of one piece again and again, without having it in memory; returns its id.
    pub(crate) fn repeated(&mut self, kind: u8, head: &[u8], piece: &[u8], times: usize) -> Id {
        let size = head.len() + piece.len() * times;
        self.head(kind, size);
        let name = ["", "commit", "tree", "blob", "tag"][usize::from(kind)];
        let mut hash = Sha1::new().chain_update(format!("{name} {size}\0")).chain_update(head);
        let mut encoder = ZlibEncoder::new(&mut self.bytes, Compression::best());
        encoder.write_all(head).unwrap();
        for _ in 0..times {
            hash.update(piece);
            encoder.write_all(piece).unwrap();
        }
        encoder.finish().unwrap();
        hash.finalize().into()
    }

    /// Adds what a difference makes from the object with an id.
    pub(crate) fn named(&mut self, base: &Id, delta: &[u8]) {
        self.entry(NAMED_DELTA, delta.len(), base, delta);
    }

    /// Adds what a difference makes from the object so many bytes back.
    pub(crate) fn back(&mut self, distance: u8, delta: &[u8]) {
        self.entry(OFFSET_DELTA, delta.len(), &[distance & 0x7f], delta);
    }

    /// Says that there are so many objects, whatever there is.
    pub(crate) fn count(&mut self, count: u32) {
        self.count = count;
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes[8..12].copy_from_slice(&self.count.to_be_bytes());
        let checksum = Sha1::digest(&self.bytes);
        self.bytes.extend_from_slice(&checksum);
        self.bytes
    }

    fn head(&mut self, kind: u8, size: usize) {
        self.count += 1;
        let (mut byte, mut size) = (kind << 4 | (size & 15) as u8, size >> 4);
        while size > 0 {
            self.bytes.push(byte | 0x80);
            byte = (size & 0x7f) as u8;
            size >>= 7;
        }
        self.bytes.push(byte);
    }

    fn entry(&mut self, kind: u8, size: usize, base: &[u8], bytes: &[u8]) {
        self.head(kind, size);
        self.bytes.extend_from_slice(base);
        let mut encoder = ZlibEncoder::new(&mut self.bytes, Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap();
    }
}

/// Makes differences.
pub(crate) struct Delta(Vec<u8>);

impl Delta {
    /// One that says that it makes so many bytes of so many.
    pub(crate) fn new(before: usize, after: usize) -> Self {
        let mut delta = Self(Vec::new());
        delta.number(before);
        delta.number(after);
        delta
    }

    fn number(&mut self, mut number: usize) {
        while number > 0x7f {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    pub(crate) fn copy(mut self, offset: u32, length: u32) -> Self {
        self.0.push(0xff);
        self.0.extend_from_slice(&offset.to_le_bytes());
        self.0.extend_from_slice(&length.to_le_bytes()[..3]);
        self
    }

    pub(crate) fn insert(mut self, bytes: &[u8]) -> Self {
        self.0.push(u8::try_from(bytes.len()).unwrap());
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0
    }
}

/// One entry of a tree.
pub(crate) fn entry(mode: &str, name: &[u8], id: &Id) -> Vec<u8> {
    [mode.as_bytes(), b" ", name, b"\0", id].concat()
}

/// The bytes of a commit of a tree, with a message.
pub(crate) fn commit(tree: &Id, message: &str) -> Vec<u8> {
    let who = "Eve <eve@example.com> 1700000000 +0000";
    format!("tree {}\nauthor {who}\ncommitter {who}\n\n{message}", hex(tree)).into_bytes()
}

/// A loopback server whose only branch is `main`, and that answers each fetch with the same pack.
pub(crate) struct Hostile {
    pub(crate) url: String,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Gift {
    tip: String,
    pack: Vec<u8>,
}

impl Hostile {
    pub(crate) async fn start(tip: &Id, pack: Vec<u8>) -> Self {
        let gift = Arc::new(Gift { tip: hex(tip), pack });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/r.git", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(gift);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, task }
    }
}

fn packet(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(format!("{:04x}", bytes.len() + 4).as_bytes());
    out.extend_from_slice(bytes);
}

async fn answer(State(gift): State<Arc<Gift>>, request: Request<Body>) -> Response {
    let mut out = Vec::new();
    if request.method() == Method::GET {
        let service =
            request.uri().query().and_then(|query| query.strip_prefix("service=")).unwrap_or_default().to_owned();
        packet(&mut out, format!("# service={service}\n").as_bytes());
        out.extend_from_slice(b"0000");
        let can = "side-band-64k thin-pack ofs-delta shallow report-status allow-any-sha1-in-want symref=HEAD:refs/heads/main";
        packet(&mut out, format!("{} HEAD\0{can}\n", gift.tip).as_bytes());
        packet(&mut out, format!("{} refs/heads/main\n", gift.tip).as_bytes());
        out.extend_from_slice(b"0000");
        return ([("content-type", format!("application/x-{service}-advertisement"))], out).into_response();
    }
    packet(&mut out, format!("shallow {}", gift.tip).as_bytes());
    out.extend_from_slice(b"0000");
    packet(&mut out, b"NAK\n");
    for piece in gift.pack.chunks(BAND) {
        packet(&mut out, &[&[1], piece].concat());
    }
    out.extend_from_slice(b"0000");
    ([("content-type", "application/x-git-upload-pack-result")], Bytes::from(out)).into_response()
}
