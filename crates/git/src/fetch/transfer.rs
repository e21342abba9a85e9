//! One request and its answer: a pack that goes into the mirror as it arrives.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::mpsc;
use web::words;

use super::boundary;
use super::{Deepen, Step};
use crate::Inner;
use crate::advertisement::{Advertisement, Capabilities};
use crate::command::Service;
use crate::error::Error;
use crate::id::ObjectId;
use crate::pack::{self, Piece, Stored, Waiting};
use crate::packet::{self, Packet, Reader};
use crate::problem::Problem;
use crate::transport::{Connection, MAX_ANSWER};

/// The depth that means everything.
const ALL: u32 = 0x7fff_ffff;

/// How many pieces of a pack may wait for the disk: 2 MiB.
const PIECES: usize = 32;

/// The largest pack that is taken to keep a history in one piece, where the tip alone would do: 256 MiB.
const MAX_SINCE_BYTES: u64 = 256 << 20;

/// Asks for what `step` says and stores it. `known` are commits that are in the mirror without a name.
pub(super) async fn transfer(
    inner: &Inner,
    connection: Connection,
    advertisement: &Advertisement,
    step: &Step,
    known: &BTreeSet<ObjectId>,
) -> Result<(), Error> {
    let remote = inner.remote();
    let capabilities = advertisement.capabilities();
    if !capabilities.has("side-band-64k") {
        return Err(Error::Unsupported { remote, what: "side-band-64k" });
    }
    let (mut haves, shallow) = inner.with_store(|store| Ok((store.haves()?, boundary::ends(store)?))).await?;
    haves.extend(known);
    let deepen = deepen_line(capabilities, step.deepen, &shallow);
    let objects = step.targets.iter().map(|target| target.object).collect();
    let request = request(capabilities, &objects, &haves, &shallow, deepen.as_deref(), step.thin);
    inner.keep_connection(connection.again()).await;
    let source = connection.exchange(Service::Upload, request).await?;
    let mut reader = Reader::new(source, MAX_ANSWER);
    let mut ends = shallow.clone();
    if deepen.is_some() {
        read_boundary(&mut reader, &mut ends).await?;
    }
    let (extended, is_extended) = (ends.clone(), ends != shallow);
    if is_extended {
        inner.with_store(move |store| store.set_shallow(&extended)).await?;
    }
    let (sender, receiver) = mpsc::channel(PIECES);
    let indexing = inner.indexing();
    let _waiting = Waiting(Arc::clone(&indexing.given_up));
    let bounds = indexing.bounds;
    let stored = inner.with_store(move |store| pack::store(store, receiver, &indexing));
    let limit = inner.git.settings.max_pack_bytes;
    reader.set_limit(if let Deepen::Since(_) = step.deepen { limit.min(MAX_SINCE_BYTES) } else { limit });
    let (stored, received) = tokio::join!(stored, read_pack(&mut reader, sender));
    match (stored?, received) {
        (Stored::Yes, Ok(())) => {}
        // The reader stops once nobody listens, so that its own failure is the lesser news.
        (Stored::Refused, _) => return Err(pack::refused(&remote)),
        (Stored::Costly(excess), _) => return Err(Error::Costly { remote, excess, memory: bounds.memory }),
        (_, Err(error)) => return Err(error),
        (Stored::GivenUp, Ok(())) => return Err(Error::Task),
    }
    inner.with_store(move |store| boundary::settle(store, &ends).map(drop)).await
}

/// Returns how much history is asked for; None for all that the mirror does not have.
fn deepen_line(capabilities: &Capabilities, deepen: Deepen, shallow: &BTreeSet<ObjectId>) -> Option<String> {
    if !capabilities.has("shallow") {
        return None;
    }
    match deepen {
        Deepen::Generations(count) => Some(format!("deepen {count}\n")),
        Deepen::Since(seconds) => Some(format!("deepen-since {seconds}\n")),
        Deepen::All if shallow.is_empty() => None,
        Deepen::All => Some(format!("deepen {ALL}\n")),
    }
}

fn request(
    offered: &Capabilities,
    objects: &BTreeSet<ObjectId>,
    haves: &[ObjectId],
    shallow: &BTreeSet<ObjectId>,
    deepen: Option<&str>,
    is_thin: bool,
) -> Vec<u8> {
    let mut capabilities = String::new();
    for wanted in [
        "multi_ack_detailed",
        "side-band-64k",
        "thin-pack",
        "ofs-delta",
        "no-progress",
        "deepen-since",
        "object-format=sha1",
    ] {
        if offered.has(wanted) && (is_thin || wanted != "thin-pack") {
            capabilities.push(' ');
            capabilities.push_str(wanted);
        }
    }
    if offered.value("agent=").is_some() {
        capabilities.push_str(concat!(" agent=tagwright/", env!("CARGO_PKG_VERSION")));
    }
    let mut out = Vec::new();
    for (n, object) in objects.iter().enumerate() {
        let capabilities = if n == 0 { capabilities.as_str() } else { "" };
        packet::push(&mut out, format!("want {object}{capabilities}\n").as_bytes());
    }
    if offered.has("shallow") {
        shallow.iter().for_each(|id| packet::push(&mut out, format!("shallow {id}\n").as_bytes()));
    }
    if let Some(deepen) = deepen {
        packet::push(&mut out, deepen.as_bytes());
    }
    packet::push_flush(&mut out);
    haves.iter().for_each(|id| packet::push(&mut out, format!("have {id}\n").as_bytes()));
    packet::push(&mut out, b"done\n");
    out
}

/// Reads the `shallow` and `unshallow` lines. What is no longer shallow shows once its parents are there.
async fn read_boundary(reader: &mut Reader, ends: &mut BTreeSet<ObjectId>) -> Result<(), Error> {
    loop {
        let data = match reader.next().await? {
            Packet::Data(data) => data,
            Packet::Flush => return Ok(()),
            Packet::End => return Err(reader.unexpected_end().await),
        };
        let line = packet::line(&data);
        let id = |prefix: &[u8]| line.strip_prefix(prefix).and_then(ObjectId::from_hex);
        if let Some(words) = line.strip_prefix(b"ERR ") {
            return Err(reader.said(words));
        } else if let Some(id) = id(b"shallow ") {
            ends.insert(id);
        } else if id(b"unshallow ").is_none() {
            return Err(reader.problem(Problem::Fetch));
        }
    }
}

/// Passes on what side band 1 carries. Acknowledgements are passed over: with `done` sent at once, the pack follows anyhow.
async fn read_pack(reader: &mut Reader, pieces: mpsc::Sender<Piece>) -> Result<(), Error> {
    let mut any = false;
    loop {
        let mut data = match reader.next().await? {
            Packet::Data(data) => data,
            Packet::Flush if any => break,
            Packet::Flush => return Err(reader.problem(Problem::Fetch)),
            Packet::End => return Err(reader.unexpected_end().await),
        };
        match data.first() {
            Some(1) => {
                any = true;
                data.remove(0);
                if pieces.send(Piece::Data(data)).await.is_err() {
                    return Err(reader.problem(Problem::Pack));
                }
            }
            Some(2) => {}
            Some(3) => return Err(reader.said(&data[1..])),
            _ => match packet::line(&data) {
                b"NAK" => {}
                line if line.starts_with(b"ACK ") => {}
                line => match line.strip_prefix(b"ERR ") {
                    Some(words) => return Err(reader.said(words)),
                    None => return Err(reader.problem(Problem::Fetch)),
                },
            },
        }
    }
    match pieces.send(Piece::Done).await {
        Ok(()) => Ok(()),
        Err(_) => Err(reader.problem(Problem::Pack)),
    }
}

impl Reader {
    /// The remote's words as its error.
    fn said(&self, raw: &[u8]) -> Error {
        Error::Remote { remote: self.remote().to_owned(), words: words::clean(raw) }
    }
}
