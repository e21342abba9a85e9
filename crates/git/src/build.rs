//! New blobs, trees and commits, in memory.
//!
//! Trees are rewritten entry by entry: what an edit does not name keeps its bytes, its order and its mode. libgit2's own
//! signatures refuse an empty name, which Git does not, so the text of a commit is put together here.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use git2::ObjectType;

use super::error::Error;
use super::id::{CommitId, ObjectFormat, ObjectId};
use super::object::{self, Objects};
use super::store::Store;
use super::tree::{self, Class, Entry, MAX_DEPTH};

/// One file's new content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// From the root of the tree, with `/` between folders. A file that exists keeps its mode; another is made as a plain
    /// file, with its folders.
    pub path: String,
    /// The whole content.
    pub bytes: Vec<u8>,
}

/// What a new commit says about itself.
#[derive(Debug, Clone)]
pub struct NewCommit {
    /// The parents; the commit of the snapshot, as a rule.
    pub parents: Vec<CommitId>,
    /// The author, who is the committer as well.
    pub author: Author,
    /// The time.
    pub time: CommitTime,
    /// The message, kept as it is but for NUL, which Git does not allow.
    pub message: String,
    /// Who signs it, if anybody does.
    pub signer: Option<Signer>,
}

/// Signs commits. It gets the bytes of a commit without a signature, and gives an armored one, or says why there is none.
#[derive(Clone)]
pub struct Signer(Arc<Sign>);

type Sign = dyn Fn(&[u8]) -> Result<String, String> + Send + Sync;

impl Signer {
    /// A signer that calls a function, once for each commit that is made.
    pub fn new(sign: impl Fn(&[u8]) -> Result<String, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(sign))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

/// Who makes a commit. `<`, `>`, line ends and control characters are left out, and so is white space around.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The name, which may be empty.
    pub name: String,
    /// The mail address, which may be empty.
    pub email: String,
}

/// When a commit is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitTime {
    /// Seconds since 1970 in UTC.
    pub seconds: i64,
    /// How many minutes the clock on the wall is ahead of UTC.
    pub offset_minutes: i32,
}

/// Files and folders to write, or to take away.
enum Node {
    File(Vec<u8>),
    Gone,
    Folder(Folder),
}

type Folder = BTreeMap<String, Node>;

pub(super) fn commit(
    store: &mut Store,
    base: ObjectId,
    edits: Vec<Edit>,
    removals: Vec<String>,
    details: &NewCommit,
) -> Result<Option<CommitId>, Error> {
    let folder = arrange(edits, removals)?;
    let (written, built) = {
        let mut writer = Writer { store, odb: store.odb()?, built: Vec::new() };
        let tree = writer.folder(Some(base), &folder, "").and_then(|tree| match tree {
            Some(tree) => Ok(tree),
            None => writer.write(ObjectType::Tree, &[]),
        });
        let written = tree.and_then(|tree| match tree == base {
            true => Ok(None),
            false => writer.write(ObjectType::Commit, text(tree, details)?.as_bytes()).map(Some),
        });
        (written, writer.built)
    };
    let commit = written?;
    store.built.extend(built);
    Ok(commit.map(CommitId))
}

/// Makes a commit with the files of another one.
pub(super) fn retell(store: &mut Store, tree: ObjectId, details: &NewCommit) -> Result<CommitId, Error> {
    let text = text(tree, details)?;
    let odb = store.odb()?;
    let written = odb.write(ObjectType::Commit, text.as_bytes());
    drop(odb);
    let commit = written.map_err(|source| store.damaged(source))?;
    store.built.insert(commit);
    Ok(CommitId(commit))
}

/// Sorts edits into folders.
fn arrange(edits: Vec<Edit>, removals: Vec<String>) -> Result<Folder, Error> {
    let mut root = Folder::new();
    let edits = edits.into_iter().map(|Edit { path, bytes }| (path, Node::File(bytes)));
    for (path, node) in edits.chain(removals.into_iter().map(|path| (path, Node::Gone))) {
        let refused = |problem| Error::Edit { path: web::words::escape(&path), problem };
        let components: Vec<&str> = path.split('/').collect();
        let bad = |name: &&str| tree::is_reserved(name.as_bytes()) || name.contains('\0');
        if components.iter().any(bad) || components.len() > MAX_DEPTH {
            return Err(refused("the path is not allowed"));
        }
        let (name, folders) = components.split_last().ok_or_else(|| refused("the path is empty"))?;
        let mut folder = &mut root;
        for component in folders {
            match folder.entry((*component).to_owned()).or_insert_with(|| Node::Folder(Folder::new())) {
                Node::Folder(inner) => folder = inner,
                Node::File(_) | Node::Gone => return Err(refused("another edit makes a file of one of its folders")),
            }
        }
        if folder.insert((*name).to_owned(), node).is_some() {
            return Err(refused("it is edited twice"));
        }
    }
    Ok(root)
}

struct Writer<'a> {
    store: &'a Store,
    odb: Objects<'a>,
    built: Vec<ObjectId>,
}

impl Writer<'_> {
    fn write(&mut self, kind: ObjectType, bytes: &[u8]) -> Result<ObjectId, Error> {
        let id = self.odb.write(kind, bytes).map_err(|source| self.store.damaged(source))?;
        self.built.push(id);
        Ok(id)
    }

    /// Writes the tree `base` with what `folder` says; none where nothing is left in it. The depth is that of the edits' paths, which is
    /// bounded.
    fn folder(&mut self, base: Option<ObjectId>, folder: &Folder, path: &str) -> Result<Option<ObjectId>, Error> {
        let old = match base {
            Some(id) => object::tree(self.store, &self.odb, id)?.data().to_vec(),
            None => Vec::new(),
        };
        let entries: Option<Vec<Entry<'_>>> = tree::entries(&old, self.store.format()).collect();
        let mut entries =
            entries.ok_or_else(|| object::malformed("tree", base.unwrap_or(ObjectId::zero(self.store.format()))))?;
        let places = places(&entries);
        let (mut new, mut gone) = (Vec::new(), HashSet::new());
        for (name, node) in folder {
            let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            let refused = |problem| Error::Edit { path: web::words::escape(&path), problem };
            let at = match places.get(name.as_bytes()) {
                Some(None) => return Err(refused("its folder has several entries of this name")),
                found => found.copied().flatten(),
            };
            let (mode, id): (&[u8], _) = match (node, at.map(|at| entries[at].class())) {
                (Node::File(bytes), None | Some(Class::File)) => {
                    (b"100644", Some(self.write(ObjectType::Blob, bytes)?))
                }
                (Node::Gone, None | Some(Class::File)) => (b"100644", None),
                (Node::Folder(inner), None) => (b"40000", self.folder(None, inner, &path)?),
                (Node::Folder(inner), Some(Class::Folder)) => {
                    (b"40000", self.folder(at.map(|at| entries[at].id), inner, &path)?)
                }
                _ => return Err(refused("it is not a plain file in plain folders")),
            };
            match (at, id) {
                (Some(at), Some(id)) => entries[at].id = id,
                (Some(at), None) => drop(gone.insert(at)),
                (None, Some(id)) => new.push(Entry { mode, name: name.as_bytes(), id }),
                (None, None) => {}
            }
        }
        if !gone.is_empty() {
            let kept = entries.iter().enumerate().filter(|(at, _)| !gone.contains(at));
            entries = kept.map(|(_, entry)| *entry).collect();
        }
        new.into_iter().for_each(|entry| insert(&mut entries, entry));
        let bytes = serialise(&entries);
        match base {
            Some(base) if bytes == old => Ok(Some(base)),
            _ if entries.is_empty() => Ok(None),
            _ => self.write(ObjectType::Tree, &bytes).map(Some),
        }
    }
}

/// Where each name is among the entries; none where several have it.
fn places<'t>(entries: &[Entry<'t>]) -> HashMap<&'t [u8], Option<usize>> {
    let mut places = HashMap::with_capacity(entries.len());
    for (at, entry) in entries.iter().enumerate() {
        places.entry(entry.name).and_modify(|place| *place = None).or_insert(Some(at));
    }
    places
}

/// Git sorts the entries of a tree as if the names of folders ended in a slash.
fn insert<'a>(entries: &mut Vec<Entry<'a>>, new: Entry<'a>) {
    let key = |entry: &Entry<'_>| {
        let mut key = entry.name.to_vec();
        if entry.class() == Class::Folder {
            key.push(b'/');
        }
        key
    };
    let at = entries.partition_point(|entry| key(entry) < key(&new));
    entries.insert(at, new);
}

fn serialise(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(
        entries.iter().map(|entry| entry.mode.len() + entry.name.len() + 2 + entry.id.bytes().len()).sum(),
    );
    for entry in entries {
        bytes.extend_from_slice(entry.mode);
        bytes.push(b' ');
        bytes.extend_from_slice(entry.name);
        bytes.push(0);
        bytes.extend_from_slice(entry.id.bytes());
    }
    bytes
}

/// The commit object's text. A signature is over all of it but the header that the signature is put into, whose further lines
/// begin with a space.
fn text(tree: ObjectId, details: &NewCommit) -> Result<String, Error> {
    let parents: String = details.parents.iter().map(|parent| format!("parent {parent}\n")).collect();
    let who = format!("{} <{}> {}", plain(&details.author.name), plain(&details.author.email), stamp(details.time));
    let message = details.message.replace('\0', "");
    let header = format!("tree {tree}\n{parents}author {who}\ncommitter {who}\n");
    let unsigned = format!("{header}\n{message}");
    let Some(Signer(sign)) = &details.signer else { return Ok(unsigned) };
    let signature = sign(unsigned.as_bytes()).map_err(|why| Error::Unsigned { why })?;
    let signature = signature.trim_end().replace('\n', "\n ");
    let name = match tree.format() {
        ObjectFormat::Sha1 => "gpgsig",
        ObjectFormat::Sha256 => "gpgsig-sha256",
    };
    Ok(format!("{header}{name} {signature}\n\n{message}"))
}

fn plain(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>')).collect();
    plain.trim().to_owned()
}

/// Seconds and offset as Git writes them; offsets of more than a day do not exist.
fn stamp(time: CommitTime) -> String {
    let offset = time.offset_minutes.clamp(-24 * 60 + 1, 24 * 60 - 1);
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.unsigned_abs();
    format!("{} {sign}{:02}{:02}", time.seconds.max(0), minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn id(byte: u8) -> ObjectId {
        ObjectId::from_bytes(&[byte; 20]).unwrap()
    }

    fn details(name: &str, email: &str, offset_minutes: i32) -> NewCommit {
        NewCommit {
            parents: vec![CommitId(id(0xab))],
            author: Author { name: name.to_owned(), email: email.to_owned() },
            time: CommitTime { seconds: 1_700_000_000, offset_minutes },
            message: "one\n\ntwo\0 \n".to_owned(),
            signer: None,
        }
    }

    #[test]
    fn commits_are_written_as_git_reads_them() {
        let check = |name: &str, email: &str, offset, who: &str| {
            let text = text(id(1), &details(name, email, offset)).unwrap();
            let (tree, parent) = ("01".repeat(20), "ab".repeat(20));
            assert_eq!(text, format!("tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\none\n\ntwo \n"));
        };
        check("Flux Bot", "bot@example.com", 0, "Flux Bot <bot@example.com> 1700000000 +0000");
        check("", "bot@example.com", 120, " <bot@example.com> 1700000000 +0200");
        check(" a<b>\nauthor evil ", "x>\n\u{7}y", -210, "abauthor evil <xy> 1700000000 -0330");
        check("n", "", 100_000, "n <> 1700000000 +2359");
    }

    #[test]
    fn a_signature_is_over_the_commit_without_it() {
        let plain = text(id(1), &details("n", "e", 0)).unwrap();
        let expect = plain.clone();
        let signer = Signer::new(move |bytes| {
            assert_eq!(bytes, expect.as_bytes());
            Ok("-----BEGIN-----\n\nabc\n-----END-----\n".to_owned())
        });
        let signed = text(id(1), &NewCommit { signer: Some(signer), ..details("n", "e", 0) }).unwrap();
        let header = "gpgsig -----BEGIN-----\n \n abc\n -----END-----\n";
        assert_eq!(signed.replacen(header, "", 1), plain);
        assert!(signed.contains(&format!("+0000\n{header}\none\n")), "{signed}");
        let refuses = NewCommit { signer: Some(Signer::new(|_| Err("no".to_owned()))), ..details("n", "e", 0) };
        let error = text(id(1), &refuses).unwrap_err();
        assert!(matches!(&error, Error::Unsigned { why } if why == "no"), "{error}");
    }

    #[test]
    fn entries_are_put_where_git_looks_for_them() {
        let entry = |mode: &'static [u8], name: &'static str| Entry { mode, name: name.as_bytes(), id: id(0) };
        let mut entries = Vec::new();
        for (mode, name) in [(&b"40000"[..], "a"), (b"100644", "a.b"), (b"100644", "a0"), (b"100644", "B")] {
            insert(&mut entries, entry(mode, name));
        }
        let names: Vec<_> = entries.iter().map(|entry| String::from_utf8_lossy(entry.name)).collect();
        assert_eq!(names, ["B", "a.b", "a", "a0"]);
    }

    #[test]
    fn paths_that_must_not_be_are_refused() {
        for path in ["", "/a", "a/", "a//b", "../a", "a/./b", ".git/hooks/x", "a/.GIT/x", "a\0b"] {
            assert!(arrange(vec![Edit { path: path.to_owned(), bytes: vec![] }], vec![]).is_err(), "{path:?}");
        }
        let edit = |path: &str| Edit { path: path.to_owned(), bytes: vec![] };
        assert!(arrange(vec![edit("a"), edit("a/b")], vec![]).is_err());
        assert!(arrange(vec![edit("a/b"), edit("a")], vec![]).is_err());
        assert!(arrange(vec![edit("a/b"), edit("a/c")], vec!["a/d".to_owned()]).is_ok());
        assert!(arrange(vec![edit("a/b")], vec!["a/b".to_owned()]).is_err());
        assert!(arrange(vec![], vec!["../a".to_owned()]).is_err());
    }
}
