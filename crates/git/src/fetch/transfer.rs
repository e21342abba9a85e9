//! One request and its answer: a pack that goes into the mirror as it arrives.
//!
//! Both versions of the protocol say the same, in another order: version 2 has its arguments one by one behind a delimiter, and
//! an answer of sections with names.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::boundary;
use super::{Deepen, Step};
use crate::Inner;
use crate::advertisement::Advertisement;
use crate::capabilities::{Capabilities, SIDE_BANDS, Version};
use crate::command::Service;
use crate::error::Error;
use crate::id::{ObjectFormat, ObjectId};
use crate::pack::{self, Piece, Stored, Waiting};
use crate::packet::{self, Packet, Reader};
use crate::problem::Problem;
use crate::transport::{Connection, MAX_ANSWER};
use crate::visits::Visits;

/// What a pack begins with, and no packet.
const PACK: &[u8] = b"PACK";

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
    let (mut haves, shallow) = inner.with_store(|store| Ok((store.haves()?, boundary::ends(store)?))).await?;
    haves.extend(known);
    let deepen = deepen_line(capabilities, step.deepen, &shallow);
    let objects = step.targets.iter().map(|target| target.object).collect();
    let asked = Asked { objects, haves, shallow: &shallow, deepen, is_thin: step.thin };
    let request = match capabilities.version {
        Version::Zero => asked.of_version_0(capabilities),
        Version::Two => asked.of_version_2(capabilities),
    };
    inner.keep_connection(connection.again()).await;
    let source = connection.exchange(Service::Upload, request).await?;
    let mut reader = Reader::new(source, MAX_ANSWER);
    let (mut ends, format) = (shallow.clone(), capabilities.format());
    match capabilities.version {
        Version::Zero if asked.deepen.is_some() => {
            read_boundary(&mut reader, &mut ends, &Packet::Flush, format).await?
        }
        Version::Zero => {}
        Version::Two => read_sections(&mut reader, &mut ends, format).await?,
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
    inner.visited(Visits::fetched_now());
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

/// What is asked for, in whichever version.
struct Asked<'a> {
    objects: BTreeSet<ObjectId>,
    haves: Vec<ObjectId>,
    shallow: &'a BTreeSet<ObjectId>,
    deepen: Option<String>,
    is_thin: bool,
}

impl Asked<'_> {
    fn of_version_0(&self, offered: &Capabilities) -> Vec<u8> {
        let mut capabilities = String::new();
        // With `done` sent at once the acknowledgements say nothing that is needed; but there are servers (Azure DevOps) that
        // answer nobody who names neither form of them.
        let acknowledgements = offered.first(&["multi_ack_detailed", "multi_ack"]);
        let side_band = offered.first(SIDE_BANDS);
        let others = ["thin-pack", "ofs-delta", "no-progress", "deepen-since"];
        let others = others
            .into_iter()
            .chain(offered.says_format())
            .filter(|name| offered.has(name) && (self.is_thin || *name != "thin-pack"));
        for wanted in acknowledgements.into_iter().chain(side_band).chain(others) {
            capabilities.push(' ');
            capabilities.push_str(wanted);
        }
        if let Some(agent) = offered.agent() {
            capabilities.push(' ');
            capabilities.push_str(agent);
        }
        let mut out = Vec::new();
        for (n, object) in self.objects.iter().enumerate() {
            let capabilities = if n == 0 { capabilities.as_str() } else { "" };
            packet::push(&mut out, format!("want {object}{capabilities}\n").as_bytes());
        }
        self.push_boundary(offered, &mut out);
        packet::push_flush(&mut out);
        self.push_haves(&mut out);
        out
    }

    fn of_version_2(&self, offered: &Capabilities) -> Vec<u8> {
        let mut out = offered.command("fetch");
        let thin = self.is_thin.then_some("thin-pack\n");
        thin.into_iter()
            .chain(["no-progress\n", "ofs-delta\n"])
            .for_each(|line| packet::push(&mut out, line.as_bytes()));
        self.objects.iter().for_each(|id| packet::push(&mut out, format!("want {id}\n").as_bytes()));
        self.push_boundary(offered, &mut out);
        self.push_haves(&mut out);
        packet::push_flush(&mut out);
        out
    }

    /// Where our history ends, and how much of it is wanted.
    fn push_boundary(&self, offered: &Capabilities, out: &mut Vec<u8>) {
        if offered.has("shallow") {
            self.shallow.iter().for_each(|id| packet::push(out, format!("shallow {id}\n").as_bytes()));
        }
        if let Some(deepen) = &self.deepen {
            packet::push(out, deepen.as_bytes());
        }
    }

    fn push_haves(&self, out: &mut Vec<u8>) {
        self.haves.iter().for_each(|id| packet::push(out, format!("have {id}\n").as_bytes()));
        packet::push(out, b"done\n");
    }
}

/// Reads the `shallow` and `unshallow` lines, up to `end`. What is no longer shallow shows once its parents are there.
async fn read_boundary(
    reader: &mut Reader,
    ends: &mut BTreeSet<ObjectId>,
    end: &Packet,
    format: ObjectFormat,
) -> Result<(), Error> {
    loop {
        let data = match reader.next().await? {
            Packet::Data(data) => data,
            Packet::End => return Err(reader.unexpected_end().await),
            packet if packet == *end => return Ok(()),
            _ => return Err(reader.problem(Problem::Fetch)),
        };
        let line = packet::line(&data);
        let id = |prefix: &[u8]| {
            let id = line.strip_prefix(prefix).and_then(ObjectId::from_hex);
            id.filter(|id| id.format() == format)
        };
        if let Some(id) = id(b"shallow ") {
            ends.insert(id);
        } else if id(b"unshallow ").is_none() {
            return Err(reader.said_or(line, Problem::Fetch));
        }
    }
}

/// Reads the sections of version 2 in front of the pack. Acknowledgements are passed over: with `done` sent at once, there need
/// be none.
async fn read_sections(reader: &mut Reader, ends: &mut BTreeSet<ObjectId>, format: ObjectFormat) -> Result<(), Error> {
    loop {
        let Some(data) = reader.next_line().await? else { return Err(reader.problem(Problem::Fetch)) };
        match packet::line(&data) {
            b"packfile" => return Ok(()),
            b"shallow-info" => read_boundary(reader, ends, &Packet::Delimiter, format).await?,
            b"acknowledgments" => while let Packet::Data(_) = reader.next().await? {},
            line => return Err(reader.said_or(line, Problem::Fetch)),
        }
    }
}

/// Passes on what side band 1 carries, or all that comes behind the acknowledgements where there are no side bands. The
/// acknowledgements are passed over: with `done` sent at once, the pack follows anyhow.
async fn read_pack(reader: &mut Reader, pieces: mpsc::Sender<Piece>) -> Result<(), Error> {
    let mut any = false;
    loop {
        if !any && reader.is_at(PACK).await? {
            while let Some(data) = reader.plain().await? {
                pass(reader, &pieces, Piece::Data(data)).await?;
            }
            break;
        }
        let mut data = match reader.next().await? {
            Packet::Data(data) => data,
            Packet::Flush if any => break,
            Packet::Flush | Packet::Delimiter => return Err(reader.problem(Problem::Fetch)),
            Packet::End => return Err(reader.unexpected_end().await),
        };
        match data.first() {
            Some(1) => {
                any = true;
                data.remove(0);
                pass(reader, &pieces, Piece::Data(data)).await?;
            }
            Some(2) => {}
            Some(3) => return Err(reader.said(&data[1..])),
            _ => match packet::line(&data) {
                b"NAK" => {}
                line if line.starts_with(b"ACK ") => {}
                line => return Err(reader.said_or(line, Problem::Fetch)),
            },
        }
    }
    pass(reader, &pieces, Piece::Done).await
}

/// Hands over a piece of the pack. That nobody takes it means that what came before is no pack.
async fn pass(reader: &Reader, pieces: &mpsc::Sender<Piece>, piece: Piece) -> Result<(), Error> {
    pieces.send(piece).await.map_err(|_| reader.problem(Problem::Pack))
}
