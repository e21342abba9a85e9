//! Fetching: which objects are wanted, and in which requests.
//!
//! What the mirror sees for the first time comes with depth 1, where the remote can do that. A branch that it knows comes with
//! everything since its old tip, so that its history stays in one piece: first what is younger than the old tip
//! (`deepen-since`); where that does not lead back to it, because a merge brings older commits in, so many generations more; and
//! where the remote has no notion of time, or finds nothing younger, the tip alone. Never a whole history by accident: a
//! branch may have been replaced by another one.
//!
//! The mirror tells its tips, so that objects come once. When the remote can neither name a commit by its id nor has it at the
//! tip of a reference, the whole history of a branch is fetched and the commit looked up in it.

mod boundary;
mod plan;
mod transfer;

use std::borrow::Cow;
use std::collections::BTreeSet;

use self::plan::State;
use super::Inner;
use super::advertisement::Advertisement;
use super::capabilities::Version;
use super::error::Error;
use super::id::{CommitId, ObjectFormat, ObjectId};
use super::names::Names;
use super::object;
use super::pack::Excess;
use super::problem::Problem;
use super::store::{self, Store};
use super::transport::{Ask, Connection};

/// The most generations that [`super::Mirror::deepen`] asks for at once.
pub const MAX_GENERATIONS: u32 = 10_000;

/// Where the mirror's own names are.
const OURS: &str = "refs/tagwright/";

/// What the reasons begin with for which a mirror is built anew in the middle of a fetch.
const FETCHING: &str = "fetching: ";

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

/// How a commit is asked for that is at the tip of no reference.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unnamed {
    /// By its id, where the remote does not say that it cannot. Version 2 says nothing.
    ById,
    /// With the whole history of a branch.
    InBranch,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    One,
    All,
}

/// How much history is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deepen {
    /// So many commits in every direction.
    Generations(u32),
    /// Commits of this second and later ones.
    Since(i64),
    All,
}

/// One request.
struct Step {
    targets: Vec<Target>,
    deepen: Deepen,
    purpose: Purpose,
    /// Whether objects may come as differences from those that the mirror has.
    thin: bool,
}

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// What is wanted.
    Need,
    /// What is wanted, and all since this tip; the first can be had alone.
    Growth(ObjectId),
    /// What lies between the two.
    Closing,
}

/// Brings everything wanted into the mirror.
pub(super) async fn fetch(inner: &Inner, advertisement: &Advertisement, wants: &[Want]) -> Result<Vec<Fetched>, Error> {
    match fetch_once(inner, advertisement, wants).await {
        Err(error) => Err(explained(inner, advertisement, wants, error).await),
        done => done,
    }
}

async fn fetch_once(inner: &Inner, advertisement: &Advertisement, wants: &[Want]) -> Result<Vec<Fetched>, Error> {
    let format = advertisement.capabilities().format();
    inner.with_store(move |store| make_ready(store, format)).await?;
    let done = attempt(inner, advertisement, wants).await;
    let Some(reason) = done.as_ref().err().and_then(damage) else { return done };
    if !inner.with_store(move |store| rebuild_once(store, &reason)).await? {
        return done;
    }
    let done = attempt(inner, advertisement, wants).await?;
    // It has helped, so that it may help again.
    let forget = |store: &mut Store| {
        store.forget_reasons(FETCHING);
        Ok(())
    };
    inner.with_store(forget).await?;
    Ok(done)
}

/// The same failure with what the remote has in place of what it lacks, where only some references were asked for.
async fn explained(inner: &Inner, advertisement: &Advertisement, wants: &[Want], error: Error) -> Error {
    if advertisement.asked().is_all() {
        return error;
    }
    let mut names = Names::default();
    match &error {
        Error::ReferenceMissing { reference, .. } if reference.starts_with("refs/tags/") => names.add_tags(),
        Error::ReferenceMissing { .. } | Error::EmptyRemote { .. } => names = names.with_branches(),
        _ => return error,
    }
    let Ok((_, examples)) = inner.connect(Ask::Examples(&names)).await else { return error };
    match &error {
        Error::ReferenceMissing { reference, .. } => examples.missing(&inner.remote(), reference),
        _ => resolve(inner, &examples, &wants[..wants.len().min(1)], Unnamed::InBranch).err().unwrap_or(error),
    }
}

/// What may be damage of the mirror. A pack that does not fit may lean on objects that got lost.
fn damage(error: &Error) -> Option<String> {
    match error {
        Error::Mirror { source, .. } => Some(format!("{FETCHING}{}", source.message())),
        Error::Protocol { problem: Problem::Pack, .. } => Some(format!("{FETCHING}{}", Problem::Pack)),
        _ => None,
    }
}

/// Makes a mirror anew that is damaged, or of another object format than the remote.
fn make_ready(store: &mut Store, format: ObjectFormat) -> Result<(), Error> {
    store.rebuild_if_broken()?;
    store.set_format(format)
}

/// Throws a damaged mirror away, unless that has not helped lately.
fn rebuild_once(store: &mut Store, reason: &str) -> Result<bool, Error> {
    store.probe()?;
    let is_first = !store.was_rebuilt(reason);
    if is_first {
        store.rebuild(reason)?;
    }
    Ok(is_first)
}

/// Plans one request after the other, until nothing is missing.
async fn attempt(inner: &Inner, advertisement: &Advertisement, wants: &[Want]) -> Result<Vec<Fetched>, Error> {
    let mut advertisement = Cow::Borrowed(advertisement);
    let mut unnamed = Unnamed::ById;
    let mut targets = resolve(inner, &advertisement, wants, unnamed)?;
    let mut state = State::default();
    while let Some(mut step) = state.next(inner, &advertisement, &targets).await? {
        let (connection, fresh) = connection(inner, advertisement.asked()).await?;
        if let Some(fresh) = fresh {
            advertisement = Cow::Owned(fresh);
            targets = resolve(inner, &advertisement, wants, unnamed)?;
            match state.next(inner, &advertisement, &targets).await? {
                Some(again) => step = again,
                None => break,
            }
        }
        let done = transfer::transfer(inner, connection, &advertisement, &step, state.arrived()).await;
        let is_guess = unnamed == Unnamed::ById && advertisement.capabilities().version == Version::Two;
        let is_by_id = is_guess && step.targets.iter().any(|target| target.reference.is_none());
        if is_by_id && matches!(done, Err(Error::Remote { .. })) {
            unnamed = Unnamed::InBranch;
            targets = resolve(inner, &advertisement, wants, unnamed)?;
            continue;
        }
        state.note(step, done)?;
    }
    finish(inner, &advertisement, targets).await
}

/// Brings the history of what is wanted to so many generations.
pub(super) async fn deepen(
    inner: &Inner,
    advertisement: &Advertisement,
    want: &Want,
    generations: u32,
) -> Result<(), Error> {
    let format = advertisement.capabilities().format();
    inner.with_store(move |store| make_ready(store, format)).await?;
    let generations = generations.clamp(1, MAX_GENERATIONS);
    let wants = std::slice::from_ref(want);
    let mut advertisement = Cow::Borrowed(advertisement);
    let mut targets = resolve(inner, &advertisement, wants, Unnamed::ById)?;
    let object = targets[0].object;
    if inner.with_store(move |store| boundary::reaches(store, object, generations)).await? {
        return Ok(());
    }
    // Where differences from what is there are too large, objects may come whole.
    for thin in [true, false] {
        let (connection, fresh) = connection(inner, advertisement.asked()).await?;
        if let Some(fresh) = fresh {
            advertisement = Cow::Owned(fresh);
            targets = resolve(inner, &advertisement, wants, Unnamed::ById)?;
        }
        let deepen = Deepen::Generations(generations);
        let step = Step { targets: targets.clone(), deepen, purpose: Purpose::Need, thin };
        match transfer::transfer(inner, connection, &advertisement, &step, &BTreeSet::new()).await {
            Err(Error::Costly { excess: Excess::Difference { .. }, .. }) if thin => {}
            Err(error @ Error::Costly { .. }) => {
                tracing::warn!(git.remote = inner.remote(), %error, "older commits are not looked at");
                return Ok(());
            }
            other => {
                other?;
                break;
            }
        }
    }
    finish(inner, &advertisement, targets).await?;
    let measure = |store: &mut Store| {
        store.measure();
        Ok(())
    };
    inner.with_store(measure).await
}

/// Returns a connection for one request, and what the remote has where it had to be asked anew.
async fn connection(inner: &Inner, asked: &Names) -> Result<(Connection, Option<Advertisement>), Error> {
    if let Some(connection) = inner.take_connection().await {
        return Ok((connection, None));
    }
    let (connection, fresh) = inner.ask_for(asked).await?;
    Ok((connection, Some(fresh)))
}

/// Looks whether what is wanted is among what the remote has.
pub(super) fn look_for(inner: &Inner, advertisement: &Advertisement, want: &Want) -> Result<(), Error> {
    resolve(inner, advertisement, std::slice::from_ref(want), Unnamed::ById).map(|_| ())
}

fn resolve(
    inner: &Inner,
    advertisement: &Advertisement,
    wants: &[Want],
    unnamed: Unnamed,
) -> Result<Vec<Target>, Error> {
    if advertisement.is_empty() {
        return Err(Error::EmptyRemote { remote: inner.remote() });
    }
    wants.iter().map(|want| target(&inner.remote(), advertisement, want, unnamed)).collect()
}

fn target(remote: &str, advertisement: &Advertisement, want: &Want, unnamed: Unnamed) -> Result<Target, Error> {
    let default = || advertisement.default_branch().ok_or_else(|| advertisement.missing(remote, "HEAD"));
    let named = |name: &str| {
        let found = advertisement.find(name).ok_or_else(|| advertisement.missing(remote, name))?;
        let (reference, tip) = (Some(name.to_owned()), store::tip_name(name));
        Ok(Target { reference, tip, object: found.object, depth: Depth::One, within: None })
    };
    match want {
        Want::DefaultBranch => named(&format!("refs/heads/{}", default()?)),
        Want::Branch(branch) => named(&format!("refs/heads/{branch}")),
        Want::Tag(tag) => named(&format!("refs/tags/{tag}")),
        Want::Reference(name) => named(name.trim_end_matches("^{}")),
        Want::Commit { id, branch } => {
            if let Some(at_tip) = advertisement.references().find(|reference| reference.commit() == *id) {
                return named(at_tip.name);
            }
            let tip = tip_of(*id);
            let capabilities = advertisement.capabilities();
            if id.object().format() != capabilities.format() {
                let (remote, commit) = (remote.to_owned(), id.to_string());
                return Err(Error::CommitMissing { remote, commit, branch: branch.clone() });
            }
            let is_offered = ["allow-reachable-sha1-in-want", "allow-any-sha1-in-want"].map(|it| capabilities.has(it));
            let may_be = capabilities.version == Version::Two || is_offered.contains(&true);
            if unnamed == Unnamed::ById && may_be {
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
    format!("{OURS}{commit}")
}

/// Names what was fetched, forgets what the remote no longer has, and finds the commits.
async fn finish(inner: &Inner, advertisement: &Advertisement, targets: Vec<Target>) -> Result<Vec<Fetched>, Error> {
    let (seen, remote) = (advertisement.clone(), inner.remote());
    let fetched = inner.with_store(move |store| name(store, &targets, &seen, &remote)).await?;
    inner.git.offers.note(&inner.folder, advertisement.capabilities()).await;
    Ok(fetched)
}

fn name(
    store: &mut Store,
    targets: &[Target],
    advertisement: &Advertisement,
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
        if tips.get(&tip) != Some(&object) {
            store.set_tip(&tip, object)?;
        }
    }
    let is_ours = |tip: &str| [OURS, store::NAMED].iter().any(|prefix| tip.starts_with(prefix));
    let is_gone = |tip: &str| advertisement.asked().covers(tip) && advertisement.find(tip).is_none();
    store.drop_tips(|tip| is_gone(tip) && !is_ours(tip))?;
    store.measure_once();
    Ok(fetched)
}

/// Returns the commit that a target stands for, once it is certain that the mirror has it and its tree.
fn commit(store: &Store, target: &Target, remote: &str) -> Result<CommitId, Error> {
    let id = target.within.map_or(target.object, |id| id.object());
    let odb = store.odb()?;
    if target.within.is_some() && !odb.exists(id) {
        let branch = target.reference.clone();
        return Err(Error::CommitMissing { remote: remote.to_owned(), commit: id.to_string(), branch });
    }
    let Some(commit) = object::peel(store, &odb, id)? else {
        let reference = target.reference.clone().unwrap_or_else(|| id.to_string());
        return Err(Error::NotACommit { remote: remote.to_owned(), reference });
    };
    let tree = object::commit(store, &odb, commit)?.tree;
    object::check_tree(store, &odb, tree)?;
    Ok(commit)
}
