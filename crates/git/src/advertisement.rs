//! What a remote says it has: references and capabilities.
//!
//! A remote may have hundreds of thousands of references, and each automation looks up a few of them. They are therefore kept
//! sorted, their names one behind the other in one text, and what every automation asks is worked out once. Version 0 of the
//! protocol gives all of them at once (here); version 2 those that were asked for (`listing`). What nobody asks about is not kept.

mod listing;

use std::sync::Arc;

use web::words;

use super::capabilities::{Capabilities, check_format};
use super::error::Error;
use super::id::{CommitId, ObjectId};
use super::names::{BRANCHES, Names, TAGS};
use super::packet::{Reader, line};
use super::problem::Problem;

pub(super) use listing::request;

/// The most references of one remote.
const MAX_REFERENCES: usize = 1_000_000;

/// The most bytes of one ref advertisement.
pub(super) const MAX_BYTES: u64 = 256 << 20;

/// The most memory that the references of one remote take: 64 MiB. A million names of 30 characters fit.
const MAX_MEMORY: usize = 64 << 20;

/// From how many references on they are put in order on a thread of their own.
const MANY: usize = 10_000;

/// How many existing names an error quotes.
const QUOTED: usize = 5;

/// How much of a name of the remote an error quotes, in characters.
const MAX_QUOTED: usize = 200;

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it.
    Whole,
    /// No more once so many bytes have come.
    Bytes(u64),
    /// No more than an error quotes.
    Examples,
}

/// What a remote answers when it is connected to.
pub(super) enum Greeting {
    /// Version 0: its references.
    References(Advertisement),
    /// Version 2: what it can be asked.
    Commands(Capabilities),
}

/// The references of a remote at one moment, as far as they were asked for. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Advertisement(Arc<Content>);

#[derive(Debug, Default)]
struct Content {
    /// All names, one behind the other.
    names: String,
    /// By name, each name once.
    references: Vec<Entry>,
    /// What annotated tags stand for.
    peeled: Vec<ObjectId>,
    head: Option<ObjectId>,
    default_branch: Option<String>,
    capabilities: Capabilities,
    /// What was asked about.
    asked: Names,
    /// Whether not all of it was read.
    is_cut: bool,
}

/// A reference as it is kept.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Where its name begins among the names, and ends.
    name: (u32, u32),
    object: ObjectId,
    /// Its place in [`Content::peeled`].
    peeled: Option<u32>,
}

/// One reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advertised<'a> {
    /// The full name, such as `refs/heads/main`.
    pub name: &'a str,
    /// The object it names; an annotated tag's is the tag object.
    pub object: ObjectId,
    /// What an annotated tag stands for.
    pub peeled: Option<ObjectId>,
}

impl Advertised<'_> {
    /// Returns the id of the commit that the reference stands for, as far as the remote tells: it peels tags.
    #[must_use]
    pub fn commit(self) -> CommitId {
        CommitId(self.peeled.unwrap_or(self.object))
    }
}

impl Advertisement {
    /// Returns all references, ordered by their names. `HEAD` is not among them.
    pub fn references(&self) -> impl Iterator<Item = Advertised<'_>> {
        self.0.references.iter().map(|entry| self.0.show(entry))
    }

    /// Returns the reference with this full name, which has to be among those asked for.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Advertised<'_>> {
        debug_assert!(self.0.asked.covers(name), "nobody asked for {name}");
        self.0.find(name)
    }

    /// Returns the head of a branch, given without `refs/heads/`.
    #[must_use]
    pub fn branch(&self, branch: &str) -> Option<CommitId> {
        self.find(&format!("refs/heads/{branch}")).map(Advertised::commit)
    }

    /// Returns tags as name, without `refs/tags/`, and commit.
    pub fn tags(&self) -> impl Iterator<Item = (&str, CommitId)> {
        self.0.below("refs/tags/").filter_map(|tag| Some((tag.name.strip_prefix("refs/tags/")?, tag.commit())))
    }

    /// Returns whether there is no reference at all, of those asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.references.is_empty() && self.0.head.is_none()
    }

    /// Returns the default branch without `refs/heads/`: what `HEAD` is said to name, or else a branch that stands where
    /// `HEAD` does, `main` and `master` first. None when `HEAD` names a branch that does not exist.
    #[must_use]
    pub fn default_branch(&self) -> Option<&str> {
        self.0.default_branch.as_deref()
    }

    /// Returns a reference beside which there can be none of this name: one of them would be the other's folder.
    pub(super) fn in_the_way(&self, name: &str) -> Option<&str> {
        // No reference is named as short as `refs/heads`.
        let above = name.match_indices('/').skip(2).filter_map(|(at, _)| self.find(&name[..at]));
        let beneath = format!("{name}/");
        let below = self.0.below(&beneath).map(|reference| reference.name).next();
        above.map(|reference| reference.name).next().or(below)
    }

    pub(super) fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    /// What was asked about.
    pub(super) fn asked(&self) -> &Names {
        &self.0.asked
    }

    /// Whether there may be references that were asked for and are not here.
    pub(super) fn is_cut(&self) -> bool {
        self.0.is_cut
    }

    /// Says that `reference` does not exist, quoting some that do.
    pub(super) fn missing(&self, remote: &str, reference: &str) -> Error {
        let prefix = if reference.starts_with(TAGS) { TAGS } else { BRANCHES };
        let known = self.0.below(prefix).filter_map(|known| known.name.strip_prefix(prefix));
        let known = known.take(QUOTED).map(|name| words::one_line(name, MAX_QUOTED)).collect();
        let reference = words::one_line(reference, MAX_QUOTED);
        Error::ReferenceMissing { remote: remote.to_owned(), reference, known }
    }

    /// Reads what a remote says first, up to its flush packet, and keeps what is asked about.
    pub(super) async fn greeting(reader: &mut Reader, asked: &Names, extent: Extent) -> Result<Greeting, Error> {
        let mut content = Content::about(asked);
        let mut is_first = true;
        while let Some(data) = reader.next_line().await? {
            match line(&data) {
                b"version 2" if is_first => return Capabilities::read(reader).await.map(Greeting::Commands),
                // The same as version 0 but for this line.
                b"version 1" if is_first => continue,
                _ => content.take(&data, is_first, reader.remote())?,
            }
            is_first = false;
            if content.is_enough(extent, reader) {
                content.is_cut = true;
                break;
            }
        }
        content.put_in_order().await.map(Greeting::References)
    }
}

impl Content {
    fn about(asked: &Names) -> Self {
        Self { asked: asked.clone(), ..Self::default() }
    }

    fn is_enough(&self, extent: Extent, reader: &Reader) -> bool {
        match extent {
            Extent::Whole => false,
            Extent::Bytes(most) => reader.taken() > most,
            Extent::Examples => self.references.len() >= QUOTED,
        }
    }

    fn name(&self, entry: &Entry) -> &str {
        &self.names[entry.name.0 as usize..entry.name.1 as usize]
    }

    fn show(&self, entry: &Entry) -> Advertised<'_> {
        let peeled = entry.peeled.map(|at| self.peeled[at as usize]);
        Advertised { name: self.name(entry), object: entry.object, peeled }
    }

    fn find(&self, name: &str) -> Option<Advertised<'_>> {
        let at = self.references.binary_search_by(|entry| self.name(entry).cmp(name)).ok()?;
        Some(self.show(&self.references[at]))
    }

    /// The references whose names begin with `prefix`.
    fn below(&self, prefix: &str) -> impl Iterator<Item = Advertised<'_>> {
        let from = self.references.partition_point(|entry| self.name(entry) < prefix);
        let below = self.references[from..].iter().map(|entry| self.show(entry));
        below.take_while(move |reference| reference.name.starts_with(prefix))
    }

    fn take(&mut self, data: &[u8], first: bool, remote: &str) -> Result<(), Error> {
        let text = line(data);
        if let Some(said) = text.strip_prefix(b"ERR ") {
            return Err(Error::Remote { remote: remote.to_owned(), words: words::clean(said) });
        }
        if text.starts_with(b"shallow ") {
            return Ok(());
        }
        let (reference, capabilities) = match text.iter().position(|byte| *byte == 0) {
            Some(nul) => (&text[..nul], &text[nul + 1..]),
            None => (text, &[][..]),
        };
        let broken = || broken(remote, Problem::Reference);
        if first {
            self.capabilities = Capabilities::parse(capabilities);
            check_format(self.capabilities.value("object-format="), remote)?;
        }
        let (id, name) = reference.split_at_checked(self.capabilities.format().digits()).ok_or_else(broken)?;
        let (id, name) = (ObjectId::from_hex(id), name.strip_prefix(b" "));
        let (id, name) = id.zip(name).ok_or_else(broken)?;
        match std::str::from_utf8(name) {
            Ok(name) => self.add(id, name, remote),
            // Such a name cannot be asked for in a configuration either.
            Err(_) => Ok(()),
        }
    }

    fn add(&mut self, object: ObjectId, name: &str, remote: &str) -> Result<(), Error> {
        if name == "capabilities^{}" || name == ".have" {
            return Ok(());
        }
        if name == "HEAD" || name == "HEAD^{}" {
            self.head = Some(object);
            return Ok(());
        }
        if !self.asked.covers(name) {
            return Ok(());
        }
        if let Some(tag) = name.strip_suffix("^{}") {
            let last = self.references.len().checked_sub(1).filter(|last| self.name(&self.references[*last]) == tag);
            let last = last.ok_or_else(|| broken(remote, Problem::Reference))?;
            return self.peel(last, object);
        }
        if self.references.len() == MAX_REFERENCES {
            return Err(Error::TooMany { what: "the number of references of the remote", limit: MAX_REFERENCES });
        }
        let start = self.names.len();
        self.names.push_str(name);
        self.check()?;
        // Both fit, since the memory is bounded.
        self.references.push(Entry { name: (start as u32, self.names.len() as u32), object, peeled: None });
        Ok(())
    }

    /// Takes in what an annotated tag stands for, by its place among the references.
    fn peel(&mut self, at: usize, object: ObjectId) -> Result<(), Error> {
        self.references[at].peeled = u32::try_from(self.peeled.len()).ok();
        self.peeled.push(object);
        self.check()
    }

    /// Whether there is room for what came.
    fn check(&self) -> Result<(), Error> {
        let taken =
            self.names.len() + self.references.len() * size_of::<Entry>() + self.peeled.len() * size_of::<ObjectId>();
        match taken > MAX_MEMORY {
            true => Err(Error::TooMany { what: "the size of the remote's references in bytes", limit: MAX_MEMORY }),
            false => Ok(()),
        }
    }

    async fn put_in_order(self) -> Result<Advertisement, Error> {
        match self.references.len() {
            0..MANY => Ok(self.finish()),
            _ => tokio::task::spawn_blocking(|| self.finish()).await.map_err(|_| Error::Task),
        }
    }

    /// Puts the references in order, which is the remote's own as a rule. Of several with one name, the first counts.
    fn finish(mut self) -> Advertisement {
        let mut references = std::mem::take(&mut self.references);
        if !references.is_sorted_by(|a, b| self.name(a) < self.name(b)) {
            references.sort_by(|a, b| self.name(a).cmp(self.name(b)));
            references.dedup_by(|a, b| self.name(a) == self.name(b));
        }
        self.references = references;
        self.default_branch = self.named_head().map(str::to_owned);
        Advertisement(Arc::new(self))
    }

    fn named_head(&self) -> Option<&str> {
        let branch = |name: &str| self.find(&format!("refs/heads/{name}")).map(Advertised::commit);
        let named = self.capabilities.value("symref=HEAD:").and_then(|name| name.strip_prefix("refs/heads/"));
        if let Some(name) = named {
            return branch(name).map(|_| name);
        }
        let head = CommitId(self.head?);
        if let Some(name) = ["main", "master"].into_iter().find(|name| branch(name) == Some(head)) {
            return Some(name);
        }
        let found = self.below("refs/heads/").find(|reference| reference.commit() == head)?;
        found.name.strip_prefix("refs/heads/")
    }
}

fn broken(remote: &str, problem: Problem) -> Error {
    Error::Protocol { remote: remote.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::{Duration, Instant};

    use super::*;

    fn id(n: usize) -> String {
        format!("{n:040x}")
    }

    fn read<'l>(lines: impl IntoIterator<Item = &'l str>) -> Result<Advertisement, Error> {
        let mut content = Content::about(&Names::all());
        for (n, line) in lines.into_iter().enumerate() {
            content.take(line.as_bytes(), n == 0, "remote")?;
        }
        Ok(content.finish())
    }

    #[test]
    fn references_are_found_in_whatever_order_they_came() {
        let ids: Vec<String> = (0..6).map(id).collect();
        let lines = [
            format!("{} refs/tags/v2\0caps", ids[1]),
            format!("{} refs/tags/v2^{{}}", ids[2]),
            format!("{} refs/heads/b", ids[3]),
            format!("{} refs/heads/a", ids[4]),
            format!("{} refs/heads/b", ids[5]),
            format!("{} HEAD", ids[1]),
            format!("{} HEAD^{{}}", ids[4]),
        ];
        let read = read(lines.iter().map(String::as_str)).unwrap();
        let names: Vec<&str> = read.references().map(|reference| reference.name).collect();
        assert_eq!(names, ["refs/heads/a", "refs/heads/b", "refs/tags/v2"]);
        assert_eq!(read.branch("b").unwrap().to_string(), ids[3]);
        assert_eq!(read.find("refs/tags/v2").unwrap().object.to_string(), ids[1]);
        assert_eq!(
            read.tags().map(|(name, commit)| (name, commit.to_string())).collect::<Vec<_>>(),
            [("v2", ids[2].clone())]
        );
        assert_eq!((read.default_branch(), read.branch("c"), read.is_empty()), (Some("a"), None, false));
    }

    /// A head that no branch has, among as many branches as may be, and a capability for each hundred of them: all of it is read
    /// in the time that its bytes take.
    #[test]
    fn the_work_grows_with_the_bytes_alone() {
        let capabilities = "a ".repeat(32_000);
        let head = format!("{} HEAD\0{capabilities}", id(1));
        let branches = (0..300_000).map(|n| format!("{} refs/heads/branch-with-a-name-{n:07}\n", id(n + 16)));
        let start = Instant::now();
        let lines: Vec<String> = std::iter::once(head).chain(branches).collect();
        let read = read(lines.iter().map(String::as_str)).unwrap();
        assert_eq!(read.default_branch(), None);
        for n in 0..100_000 {
            assert!(read.branch(&format!("branch-with-a-name-{n:07}")).is_some());
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    }

    #[test]
    fn references_take_a_bounded_room() {
        let name = "n".repeat(60_000);
        let lines: Vec<String> = (0..2_000).map(|n| format!("{} refs/heads/{n:05}{name}", id(n))).collect();
        assert!(matches!(read(lines.iter().map(String::as_str)), Err(Error::TooMany { limit: MAX_MEMORY, .. })));
    }

    #[test]
    fn what_errors_quote_of_a_remote_is_bounded() {
        let (id, long) = ("1".repeat(40), "x".repeat(60_000));
        let lines: Vec<String> = (0..10).map(|n| format!("{id} refs/heads/{n}\u{7}{long}\n")).collect();
        let advertisement = read(lines.iter().map(String::as_str)).unwrap();
        let missing = advertisement.missing("remote", "refs/heads/main").to_string();
        assert!(missing.contains("branches: 0\\u{7}xxx") && missing.len() < 2_000, "{} bytes", missing.len());
        let first = format!("{id} refs/heads/main\0object-format={long}\n");
        let format = read([first.as_str()]).unwrap_err().to_string();
        assert!(format.contains("'xxx") && format.len() < 500, "{} bytes", format.len());
    }
}
