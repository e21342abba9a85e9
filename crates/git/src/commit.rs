//! What a commit says about itself, read leniently.
//!
//! Git's servers take commits that libgit2 refuses to parse: an author without a mail address, a time that is no number or does
//! not fit, made by an importer long ago. A branch with such a commit is as good as any other, so that what cannot be read is
//! left out, and only a commit that names no tree is none.

use super::id::{CommitId, ObjectFormat, ObjectId};

/// The longest message that is handed out: 1 MiB. Of a longer one, it is the first and the last half: trailers are at the end.
const MAX_MESSAGE: usize = 1 << 20;

/// What a commit says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitFacts {
    /// Its id.
    pub id: CommitId,
    /// Its tree.
    pub tree: ObjectId,
    /// Its parents, of which a shallow mirror need not have any.
    pub parents: Vec<CommitId>,
    /// The author's name; empty where it cannot be told.
    pub author_name: String,
    /// The author's mail address; empty where it cannot be told.
    pub author_email: String,
    /// The committer's time in seconds since 1970; 0 where it cannot be told.
    pub time: i64,
    /// The whole message; where it has more than 1 MiB, its beginning and its end.
    pub message: String,
}

impl CommitFacts {
    /// Reads a commit; none when it names no tree.
    pub(super) fn parse(id: ObjectId, commit: &[u8]) -> Option<Self> {
        let end = memchr::memmem::find(commit, b"\n\n").map_or(commit.len(), |at| at + 1);
        let (header, message) = (&commit[..end], commit.get(end + 1..).unwrap_or_default());
        let tree = ids(header, b"tree ", id.format()).next()?;
        let line = |name: &[u8]| header.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name));
        let author = Signature::of(line(b"author ").unwrap_or_default());
        let committer = Signature::of(line(b"committer ").unwrap_or_default());
        Some(Self {
            id: CommitId(id),
            tree,
            parents: parents(header, id.format()).map(CommitId).collect(),
            author_name: text(author.name),
            author_email: text(author.email),
            time: committer.time,
            message: shortened(message),
        })
    }
}

/// The parents of a commit.
pub(super) fn parents(commit: &[u8], format: ObjectFormat) -> impl Iterator<Item = ObjectId> {
    ids(commit, b"parent ", format)
}

/// The ids in those lines of a header that begin with `name`.
pub(super) fn ids<'a>(
    object: &'a [u8],
    name: &'static [u8],
    format: ObjectFormat,
) -> impl Iterator<Item = ObjectId> + 'a {
    let lines = object.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    let ids = lines.filter_map(|line| ObjectId::from_hex(line.strip_prefix(name)?));
    ids.filter(move |id| id.format() == format)
}

/// `NAME <EMAIL> SECONDS OFFSET`, as far as it is that.
struct Signature<'a> {
    name: &'a [u8],
    email: &'a [u8],
    time: i64,
}

impl<'a> Signature<'a> {
    fn of(line: &'a [u8]) -> Self {
        let open = memchr::memchr(b'<', line);
        let close = memchr::memrchr(b'>', line);
        let (name, email, rest) = match (open, close) {
            (Some(open), Some(close)) if open < close => (&line[..open], &line[open + 1..close], &line[close + 1..]),
            (Some(open), _) => (&line[..open], &[][..], &[][..]),
            (None, _) => (line, &[][..], &[][..]),
        };
        let seconds =
            std::str::from_utf8(rest).ok().and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok());
        Self { name: name.trim_ascii(), email: email.trim_ascii(), time: seconds.unwrap_or(0) }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn shortened(message: &[u8]) -> String {
    // Empty lines before a message belong to nobody.
    let message = &message[message.iter().position(|byte| *byte != b'\n').unwrap_or(message.len())..];
    match message.len() {
        0..=MAX_MESSAGE => text(message),
        length => {
            let (first, last) = (&message[..MAX_MESSAGE / 2], &message[length - MAX_MESSAGE / 2..]);
            [text(first), text(last)].join("\n…\n")
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(author: &str, committer: &str, message: &str) -> CommitFacts {
        let (tree, parent) = ("1".repeat(40), "2".repeat(40));
        let text =
            format!("tree {tree}\nparent {parent}\nauthor {author}\ncommitter {committer}\ngpgsig x\n y\n\n{message}");
        CommitFacts::parse(ObjectId::from_bytes(&[9; 20]).unwrap(), text.as_bytes()).unwrap()
    }

    #[test]
    fn authors_are_read_as_far_as_they_can_be() {
        let check = |line: &str, name: &str, email: &str, time: i64| {
            let facts = parse(line, line, "m\n");
            assert_eq!(
                (facts.author_name.as_str(), facts.author_email.as_str(), facts.time),
                (name, email, time),
                "{line}"
            );
        };
        check("Ada <ada@x> 1700000000 +0100", "Ada", "ada@x", 1_700_000_000);
        check("<> 0 +0000", "", "", 0);
        check("no mail at all", "no mail at all", "", 0);
        check("Ada <ada@x", "Ada", "", 0);
        check("Ada <ada@x>", "Ada", "ada@x", 0);
        check("Ada <<a@x>> 1700000000 +0000", "Ada", "<a@x>", 1_700_000_000);
        check("Ada <ada@x> 99999999999999999999 +0000", "Ada", "ada@x", 0);
        check("Ada <ada@x> -5 +9999", "Ada", "ada@x", -5);
        check("> Ada <", "> Ada", "", 0);
        check("", "", "", 0);
    }

    #[test]
    fn a_commit_needs_a_tree_and_nothing_else() {
        let (tree, id) = ("1".repeat(40), ObjectId::from_bytes(&[9; 20]).unwrap());
        let facts = CommitFacts::parse(id, format!("tree {tree}\n").as_bytes()).unwrap();
        assert_eq!((facts.tree.to_string(), facts.parents.len(), facts.message.as_str()), (tree.clone(), 0, ""));
        assert!(CommitFacts::parse(id, b"").is_none());
        assert!(CommitFacts::parse(id, b"tree 123\n\ntext").is_none());
        let longer = format!("tree {}\n", "1".repeat(64));
        assert!(CommitFacts::parse(id, longer.as_bytes()).is_none(), "an id of another format is none");
        let longer = format!("tree {tree}\nparent {}\n", "1".repeat(64));
        assert!(CommitFacts::parse(id, longer.as_bytes()).unwrap().parents.is_empty());
        assert!(CommitFacts::parse(id, format!("\ntree {tree}\n").as_bytes()).is_none());
        // What stands in the message is no header.
        let facts = parse("a <b> 1 +0000", "a <b> 1 +0000", &format!("\n\none\nparent {tree}\n"));
        assert_eq!((facts.parents.len(), facts.message), (1, format!("one\nparent {tree}\n")));
    }

    #[test]
    fn of_a_long_message_there_are_both_ends() {
        let facts =
            parse("a <b> 1 +0000", "a <b> 1 +0000", &format!("first\n{}\nTrailer: last\n", "ä".repeat(MAX_MESSAGE)));
        assert!(facts.message.starts_with("first\n") && facts.message.ends_with("\nTrailer: last\n"));
        assert!(facts.message.len() < MAX_MESSAGE + 100, "{}", facts.message.len());
    }
}
