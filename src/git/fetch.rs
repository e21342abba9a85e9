//! Fetching: which objects are wanted, one request, and a pack that goes into the mirror as it arrives.
//!
//! Everything is fetched with depth 1 where the remote can do that. The mirror tells its tips, so that a later fetch brings
//! what is new alone. When the remote can neither name a commit by its id nor has it at the tip of a reference, the whole
//! history of a branch is fetched and the commit looked up in it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use tokio::sync::mpsc;

use super::Inner;
use super::advertisement::Advertisement;
use super::command::Service;
use super::error::Error;
use super::id::{CommitId, ObjectId};
use super::pack::{self, Piece, Stored};
use super::packet::{self, Packet, Reader};
use super::problem::Problem;
use super::store::Store;
use super::transport::{Connection, MAX_ANSWER};
use super::words;

/// The depth that means everything.
const ALL: u32 = 0x7fff_ffff;

/// How many pieces of a pack may wait for the disk: 2 MiB.
const PIECES: usize = 32;

/// What to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// The branch that the remote's `HEAD` names.
    DefaultBranch,
    /// A branch, without `refs/heads/`.
    Branch(String),
    /// A tag, without `refs/tags/`.
    Tag(String),
    /// A reference by its full name; a trailing `^{}` is ignored.
    Reference(String),
    /// A commit.
    Commit {
        /// The commit.
        id: CommitId,
        /// The branch whose history it is searched in where the remote does not hand out commits by id; the default branch
        /// when absent.
        branch: Option<String>,
    },
}

/// Something that is in the mirror now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The full name of the reference it was found at, where it was.
    pub reference: Option<String>,
    /// The commit.
    pub commit: CommitId,
}

/// How one want is met.
#[derive(Clone)]
struct Target {
    /// What is shown and returned.
    reference: Option<String>,
    /// The name it gets in the mirror.
    tip: String,
    /// What is asked for.
    object: ObjectId,
    depth: Depth,
    /// A commit that has to be in the history of `object`, and is the one meant.
    within: Option<CommitId>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    One,
    All,
}

/// Brings everything wanted into the mirror.
pub(super) async fn fetch(inner: &Inner, advertisement: &Advertisement, wants: &[Want]) -> Result<Vec<Fetched>, Error> {
    inner.with_store(Store::rebuild_if_broken).await?;
    match attempt(inner, advertisement, wants).await {
        // A damaged mirror is thrown away once. A pack that does not fit may lean on objects that got lost.
        Err(Error::Mirror { .. } | Error::Protocol { problem: Problem::Pack, .. }) => {
            inner.with_store(Store::rebuild).await?;
            attempt(inner, advertisement, wants).await
        }
        other => other,
    }
}

async fn attempt(inner: &Inner, advertisement: &Advertisement, wants: &[Want]) -> Result<Vec<Fetched>, Error> {
    let mut advertisement = Cow::Borrowed(advertisement);
    let mut targets = resolve(inner, &advertisement, wants)?;
    for depth in [Depth::One, Depth::All] {
        if missing(inner, &targets, depth).await?.is_empty() {
            continue;
        }
        let connection = match inner.take_connection().await {
            Some(connection) => connection,
            None => {
                let (connection, fresh) = inner.connect(Service::Upload).await?;
                advertisement = Cow::Owned(fresh);
                connection
            }
        };
        targets = resolve(inner, &advertisement, wants)?;
        let missing = missing(inner, &targets, depth).await?;
        if !missing.is_empty() {
            transfer(inner, connection, &advertisement, missing, depth).await?;
        }
    }
    let names: BTreeSet<_> = advertisement.references().iter().map(|reference| reference.name.clone()).collect();
    let remote = inner.remote();
    inner.with_store(move |store| finish(store, &targets, &names, &remote)).await
}

fn resolve(inner: &Inner, advertisement: &Advertisement, wants: &[Want]) -> Result<Vec<Target>, Error> {
    if advertisement.is_empty() {
        return Err(Error::EmptyRemote { remote: inner.remote() });
    }
    wants.iter().map(|want| target(&inner.remote(), advertisement, want)).collect()
}

fn target(remote: &str, advertisement: &Advertisement, want: &Want) -> Result<Target, Error> {
    let default = || advertisement.default_branch().ok_or_else(|| advertisement.missing(remote, "HEAD"));
    let named = |name: &str| {
        let found = advertisement.find(name).ok_or_else(|| advertisement.missing(remote, name))?;
        let (reference, tip) = (Some(name.to_owned()), name.to_owned());
        Ok(Target { reference, tip, object: found.object, depth: Depth::One, within: None })
    };
    match want {
        Want::DefaultBranch => named(&format!("refs/heads/{}", default()?)),
        Want::Branch(branch) => named(&format!("refs/heads/{branch}")),
        Want::Tag(tag) => named(&format!("refs/tags/{tag}")),
        Want::Reference(name) => named(name.trim_end_matches("^{}")),
        Want::Commit { id, branch } => {
            if let Some(at_tip) = advertisement.references().iter().find(|reference| reference.commit() == *id) {
                return named(&at_tip.name);
            }
            let tip = tip_of(*id);
            let capabilities = advertisement.capabilities();
            if capabilities.has("allow-reachable-sha1-in-want") || capabilities.has("allow-any-sha1-in-want") {
                return Ok(Target { reference: None, tip, object: id.object(), depth: Depth::One, within: None });
            }
            let branch = match branch {
                Some(branch) => format!("refs/heads/{branch}"),
                None => format!("refs/heads/{}", default()?),
            };
            let found = named(&branch)?;
            Ok(Target { reference: Some(branch), tip, depth: Depth::All, within: Some(*id), ..found })
        }
    }
}

/// The mirror's own name for a commit that has none at the remote.
fn tip_of(commit: CommitId) -> String {
    format!("refs/tagwright/{commit}")
}

/// Returns the targets of this depth that the mirror does not have yet.
async fn missing(inner: &Inner, targets: &[Target], depth: Depth) -> Result<Vec<Target>, Error> {
    let targets: Vec<_> = targets.iter().filter(|target| target.depth == depth).cloned().collect();
    if targets.is_empty() {
        return Ok(targets);
    }
    inner
        .with_store(move |store| {
            let tips = store.tips()?;
            // A tip was only set once everything beneath it had been stored. A commit within a history is there when it
            // was found once.
            let has = |target: &Target| match target.within {
                None => tips.iter().any(|(_, id)| *id == target.object),
                Some(_) => tips.iter().any(|(name, _)| *name == target.tip),
            };
            Ok(targets.into_iter().filter(|target| !has(target)).collect())
        })
        .await
}

/// One request and its answer.
async fn transfer(
    inner: &Inner,
    connection: Connection,
    advertisement: &Advertisement,
    targets: Vec<Target>,
    depth: Depth,
) -> Result<(), Error> {
    let remote = inner.remote();
    let capabilities = advertisement.capabilities();
    if !capabilities.has("side-band-64k") {
        return Err(Error::Unsupported { remote, what: "side-band-64k" });
    }
    let (haves, shallow) = inner.with_store(|store| Ok((store.haves()?, store.shallow()))).await?;
    let can_deepen = capabilities.has("shallow");
    let deepen = match depth {
        Depth::One => Some(1),
        Depth::All if shallow.is_empty() => None,
        Depth::All => Some(ALL),
    }
    .filter(|_| can_deepen);
    let request = request(advertisement, &targets, &haves, &shallow, deepen);
    inner.keep_connection(connection.again()).await;
    let source = connection.exchange(Service::Upload, request).await?;
    let mut reader = Reader::new(source, MAX_ANSWER);
    let mut boundary = shallow.clone();
    if deepen.is_some() {
        read_boundary(&mut reader, &mut boundary).await?;
    }
    let (sender, receiver) = mpsc::channel(PIECES);
    let stored = inner.with_store(move |store| pack::store(store, receiver));
    reader.set_limit(inner.git.settings.max_pack_bytes);
    let (stored, received) = tokio::join!(stored, read_pack(&mut reader, sender));
    match (stored?, received) {
        (Stored::Yes, Ok(())) => {}
        // The reader stops once nobody listens, so that its own failure is the lesser news.
        (Stored::Refused, _) => return Err(pack::refused(&remote)),
        (_, Err(error)) => return Err(error),
        (Stored::GivenUp, Ok(())) => return Err(Error::Task),
    }
    inner
        .with_store(move |store| {
            if boundary != shallow {
                store.set_shallow(&boundary)?;
            }
            Ok(())
        })
        .await
}

fn request(
    advertisement: &Advertisement,
    targets: &[Target],
    haves: &[ObjectId],
    shallow: &BTreeSet<ObjectId>,
    deepen: Option<u32>,
) -> Vec<u8> {
    let offered = advertisement.capabilities();
    let mut capabilities = String::new();
    for wanted in ["multi_ack_detailed", "side-band-64k", "thin-pack", "ofs-delta", "no-progress", "object-format=sha1"]
    {
        if offered.has(wanted) {
            capabilities.push(' ');
            capabilities.push_str(wanted);
        }
    }
    if offered.value("agent=").is_some() {
        capabilities.push_str(concat!(" agent=tagwright/", env!("CARGO_PKG_VERSION")));
    }
    let mut out = Vec::new();
    let objects: BTreeSet<_> = targets.iter().map(|target| target.object).collect();
    for (n, object) in objects.iter().enumerate() {
        let capabilities = if n == 0 { capabilities.as_str() } else { "" };
        packet::push(&mut out, format!("want {object}{capabilities}\n").as_bytes());
    }
    if offered.has("shallow") {
        shallow.iter().for_each(|id| packet::push(&mut out, format!("shallow {id}\n").as_bytes()));
    }
    if let Some(depth) = deepen {
        packet::push(&mut out, format!("deepen {depth}\n").as_bytes());
    }
    packet::push_flush(&mut out);
    haves.iter().for_each(|id| packet::push(&mut out, format!("have {id}\n").as_bytes()));
    packet::push(&mut out, b"done\n");
    out
}

/// Reads the `shallow` and `unshallow` lines.
async fn read_boundary(reader: &mut Reader, boundary: &mut BTreeSet<ObjectId>) -> Result<(), Error> {
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
            boundary.insert(id);
        } else if let Some(id) = id(b"unshallow ") {
            boundary.remove(&id);
        } else {
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

/// Names what was fetched, forgets what the remote no longer has, and finds the commits.
fn finish(
    store: &mut Store,
    targets: &[Target],
    names: &BTreeSet<String>,
    remote: &str,
) -> Result<Vec<Fetched>, Error> {
    let mut fetched = Vec::new();
    let mut commits = Vec::new();
    for target in targets {
        let commit = commit(store, target, remote)?;
        commits.push((target.tip.clone(), target.within.map_or(target.object, |id| id.object())));
        fetched.push(Fetched { reference: target.reference.clone(), commit });
    }
    let tips = store.tips()?;
    for (tip, object) in commits {
        if !tips.contains(&(tip.clone(), object)) {
            store.set_tip(&tip, object)?;
        }
    }
    store.drop_tips(|tip| !names.contains(tip) && !tip.starts_with("refs/tagwright/"))?;
    Ok(fetched)
}

/// Returns the commit that a target stands for, once it is certain that the mirror has it and its tree.
fn commit(store: &Store, target: &Target, remote: &str) -> Result<CommitId, Error> {
    let id = target.within.map_or(target.object, |id| id.object());
    let object = match store.repository.find_object(id.oid(), None) {
        Ok(object) => object,
        Err(error) if error.code() == git2::ErrorCode::NotFound && target.within.is_some() => {
            let branch = target.reference.clone();
            return Err(Error::CommitMissing { remote: remote.to_owned(), commit: id.to_string(), branch });
        }
        Err(error) => return Err(store.damaged(error)),
    };
    let Ok(commit) = object.peel_to_commit() else {
        let reference = target.reference.clone().unwrap_or_else(|| id.to_string());
        return Err(Error::NotACommit { remote: remote.to_owned(), reference });
    };
    commit.tree().map_err(|source| store.damaged(source))?;
    Ok(CommitId::of(commit.id()))
}
