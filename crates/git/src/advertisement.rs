//! What a remote says it has: references and capabilities.

use web::words;

use super::error::Error;
use super::id::{CommitId, ObjectId};
use super::packet::{Packet, Reader, line};
use super::problem::Problem;

/// The most references of one remote.
const MAX_REFERENCES: usize = 1_000_000;

/// The most bytes of one ref advertisement.
pub(super) const MAX_BYTES: u64 = 256 << 20;

/// How many existing names an error quotes.
const QUOTED: usize = 5;

/// How much of a name or a word of the remote an error quotes, in characters.
const MAX_QUOTED: usize = 200;

/// The references of a remote at one moment.
#[derive(Debug, Clone, Default)]
pub struct Advertisement {
    references: Vec<Advertised>,
    head: Option<ObjectId>,
    capabilities: Capabilities,
}

/// One reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertised {
    /// The full name, such as `refs/heads/main`.
    pub name: String,
    /// The object it names; an annotated tag's is the tag object.
    pub object: ObjectId,
    /// What an annotated tag stands for.
    pub peeled: Option<ObjectId>,
}

impl Advertised {
    /// Returns the id of the commit that the reference stands for, as far as the remote tells: it peels tags.
    #[must_use]
    pub fn commit(&self) -> CommitId {
        CommitId(self.peeled.unwrap_or(self.object))
    }
}

impl Advertisement {
    /// Returns all references in the remote's order, which is that of their names. `HEAD` is not among them.
    #[must_use]
    pub fn references(&self) -> &[Advertised] {
        &self.references
    }

    /// Returns the reference with this full name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Advertised> {
        self.references.iter().find(|reference| reference.name == name)
    }

    /// Returns the head of a branch, given without `refs/heads/`.
    #[must_use]
    pub fn branch(&self, branch: &str) -> Option<CommitId> {
        self.find(&format!("refs/heads/{branch}")).map(Advertised::commit)
    }

    /// Returns tags as name, without `refs/tags/`, and commit.
    pub fn tags(&self) -> impl Iterator<Item = (&str, CommitId)> {
        self.references
            .iter()
            .filter_map(|reference| Some((reference.name.strip_prefix("refs/tags/")?, reference.commit())))
    }

    /// Returns whether there is no reference at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.references.is_empty() && self.head.is_none()
    }

    /// Returns the default branch without `refs/heads/`: what `HEAD` is said to name, or else a branch that stands where
    /// `HEAD` does, `main` and `master` first. None when `HEAD` names a branch that does not exist.
    #[must_use]
    pub fn default_branch(&self) -> Option<&str> {
        let named = self.capabilities.value("symref=HEAD:").and_then(|name| name.strip_prefix("refs/heads/"));
        if let Some(name) = named {
            return self.branch(name).map(|_| name);
        }
        let head = self.head?;
        let is_head = |name: &&str| self.branch(name) == Some(CommitId(head));
        let any = || self.branches().find(is_head);
        ["main", "master"].into_iter().find(is_head).or_else(any)
    }

    /// Returns the branches without `refs/heads/`.
    pub fn branches(&self) -> impl Iterator<Item = &str> {
        self.references.iter().filter_map(|reference| reference.name.strip_prefix("refs/heads/"))
    }

    pub(super) const fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Says that `reference` does not exist, quoting some that do.
    pub(super) fn missing(&self, remote: &str, reference: &str) -> Error {
        let prefix = if reference.starts_with("refs/tags/") { "refs/tags/" } else { "refs/heads/" };
        let of_kind = self.references.iter().filter(|known| known.name.starts_with(prefix));
        let known = of_kind.take(QUOTED).map(|known| words::one_line(&known.name, MAX_QUOTED)).collect();
        let reference = words::one_line(reference, MAX_QUOTED);
        Error::ReferenceMissing { remote: remote.to_owned(), reference, known }
    }

    /// Reads the advertisement up to its flush packet.
    pub(super) async fn read(reader: &mut Reader, remote: &str) -> Result<Self, Error> {
        let mut advertisement = Self::default();
        let mut first = true;
        loop {
            let data = match reader.next().await? {
                Packet::Data(data) => data,
                Packet::Flush => break,
                Packet::End => return Err(reader.unexpected_end().await),
            };
            advertisement.take(&data, first, remote)?;
            first = false;
        }
        Ok(advertisement)
    }

    fn take(&mut self, data: &[u8], first: bool, remote: &str) -> Result<(), Error> {
        let text = line(data);
        if let Some(said) = text.strip_prefix(b"ERR ") {
            return Err(Error::Remote { remote: remote.to_owned(), words: words::clean(said) });
        }
        if text.starts_with(b"shallow ") || text.starts_with(b"version ") {
            return Ok(());
        }
        let (reference, capabilities) = match text.iter().position(|byte| *byte == 0) {
            Some(nul) => (&text[..nul], &text[nul + 1..]),
            None => (text, &[][..]),
        };
        if first {
            self.capabilities = Capabilities::parse(capabilities);
        }
        let broken = || broken(remote, Problem::Reference);
        let (id, name) = reference.split_at_checked(41).ok_or_else(broken)?;
        if let Some(format) = self.capabilities.value("object-format=").filter(|format| *format != "sha1") {
            let format = words::one_line(format, MAX_QUOTED);
            return Err(Error::ObjectFormat { remote: remote.to_owned(), format });
        }
        let id = ObjectId::from_hex(&id[..40]).filter(|_| id[40] == b' ').ok_or_else(broken)?;
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
        if name == "HEAD" {
            self.head = Some(object);
            return Ok(());
        }
        if let Some(tag) = name.strip_suffix("^{}") {
            match self.references.last_mut() {
                Some(last) if last.name == tag => last.peeled = Some(object),
                _ => return Err(broken(remote, Problem::Reference)),
            }
            return Ok(());
        }
        if self.references.len() == MAX_REFERENCES {
            return Err(Error::TooMany { what: "the number of references of the remote", limit: MAX_REFERENCES });
        }
        self.references.push(Advertised { name: name.to_owned(), object, peeled: None });
        Ok(())
    }
}

fn broken(remote: &str, problem: Problem) -> Error {
    Error::Protocol { remote: remote.to_owned(), problem }
}

/// What the server can do.
#[derive(Debug, Clone, Default)]
pub(super) struct Capabilities(Vec<String>);

impl Capabilities {
    fn parse(bytes: &[u8]) -> Self {
        Self(String::from_utf8_lossy(bytes).split_ascii_whitespace().map(str::to_owned).collect())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|capability| capability == name)
    }

    /// Returns what follows `prefix` in the first capability that starts with it.
    pub(super) fn value(&self, prefix: &str) -> Option<&str> {
        self.0.iter().find_map(|capability| capability.strip_prefix(prefix))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_errors_quote_of_a_remote_is_bounded() {
        let (id, long) = ("1".repeat(40), "x".repeat(60_000));
        let mut advertisement = Advertisement::default();
        for number in 0..10 {
            advertisement.take(format!("{id} refs/heads/{number}\u{7}{long}\n").as_bytes(), false, "remote").unwrap();
        }
        let missing = advertisement.missing("remote", "refs/heads/main").to_string();
        assert!(missing.contains("refs/heads/0\\u{7}xxx") && missing.len() < 2_000, "{} bytes", missing.len());
        let first = format!("{id} refs/heads/main\0object-format={long}\n");
        let format = advertisement.take(first.as_bytes(), true, "remote").unwrap_err().to_string();
        assert!(format.contains("'xxx") && format.len() < 500, "{} bytes", format.len());
    }
}
