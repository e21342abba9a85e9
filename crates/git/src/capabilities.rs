//! What a server can do, said in the words of version 0 whichever version of the protocol it speaks.

use web::words;

use super::error::Error;
use super::id::ObjectFormat;
use super::packet::{self, Reader, line};

/// The most bytes of the capabilities of version 2: 64 KiB.
const MAX_BYTES: u64 = 64 << 10;

/// How much of a word of the remote an error quotes, in characters.
const MAX_QUOTED: usize = 200;

/// How we name ourselves to a server that does so, too.
const AGENT: &str = concat!("agent=tagwright/", env!("CARGO_PKG_VERSION"));

/// What each server can do that speaks version 2.
const OF_VERSION_2: &[&str] = &["side-band-64k", "thin-pack", "ofs-delta", "no-progress"];

/// What a server of version 2 may be able to do, each in our words, and those that say so.
const OPTIONAL: &[(&str, &str)] = &[
    ("shallow", "fetch=shallow"),
    ("deepen-since", "fetch=shallow"),
    ("unborn", "ls-refs=unborn"),
    ("object-format=sha1", "object-format=sha1"),
    ("object-format=sha256", "object-format=sha256"),
];

/// What the word begins with that tells the object format.
const FORMAT: &str = "object-format=";

/// The commands that are needed, and that a server has a name.
const NAMES: &[&str] = &["ls-refs", "fetch", "agent="];

/// How words travel beside a pack or a report, the better one first.
pub(super) const SIDE_BANDS: &[&str] = &["side-band-64k", "side-band"];

/// A version of the protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Version {
    /// All references at once. Version 1 is the same behind another first line.
    #[default]
    Zero,
    /// Commands.
    Two,
}

impl Version {
    /// How a server is asked for it. One that does not know the word, or the version, speaks version 0.
    pub(super) const fn asked(self) -> Option<&'static str> {
        match self {
            Self::Zero => None,
            Self::Two => Some("version=2"),
        }
    }
}

/// What the server can do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Capabilities {
    pub(super) version: Version,
    words: Vec<String>,
    /// How the server says that it names its objects.
    format: Option<ObjectFormat>,
    /// Whether the place that was configured said so, and not one that it redirects to.
    pub(super) is_direct: bool,
}

impl Capabilities {
    /// Reads what stands behind the first reference.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let words: Vec<_> = String::from_utf8_lossy(bytes).split_ascii_whitespace().map(str::to_owned).collect();
        Self { format: said_format(&words), words, ..Self::default() }
    }

    /// Reads what follows the line `version 2`.
    pub(super) async fn read(reader: &mut Reader) -> Result<Self, Error> {
        reader.set_limit(MAX_BYTES);
        let mut said = Vec::new();
        while let Some(data) = reader.next_line().await? {
            said.push(String::from_utf8_lossy(line(&data)).into_owned());
        }
        Self::of_version_2(&said, reader.remote())
    }

    fn of_version_2(said: &[String], remote: &str) -> Result<Self, Error> {
        check_format(said.iter().find_map(|line| line.strip_prefix(FORMAT)), remote)?;
        let says = |key: &str, value: &str| {
            let of_key = said.iter().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            of_key.flat_map(str::split_ascii_whitespace).any(|word| word == value)
        };
        let optional =
            OPTIONAL.iter().filter(|(_, by)| by.split_once('=').is_some_and(|(key, value)| says(key, value)));
        let is_said = |name: &str| said.iter().any(|line| line.split('=').next() == Some(name.trim_end_matches('=')));
        let names = NAMES.iter().copied().filter(|name| is_said(name));
        Ok(Self::with(optional.map(|(word, _)| *word).chain(names)))
    }

    fn with<'w>(words: impl Iterator<Item = &'w str>) -> Self {
        let words: Vec<_> = OF_VERSION_2.iter().copied().chain(words).map(str::to_owned).collect();
        Self { version: Version::Two, format: said_format(&words), words, is_direct: false }
    }

    /// Whether a server of version 2 can be asked for all that is needed.
    pub(super) fn suffices(&self) -> bool {
        self.has("ls-refs") && self.has("fetch")
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.words.iter().any(|capability| capability == name)
    }

    /// Returns the first of these that the server can do.
    pub(super) fn first<'n>(&self, names: &[&'n str]) -> Option<&'n str> {
        names.iter().copied().find(|name| self.has(name))
    }

    /// Returns what follows `prefix` in the first capability that starts with it.
    pub(super) fn value(&self, prefix: &str) -> Option<&str> {
        self.words.iter().find_map(|capability| capability.strip_prefix(prefix))
    }

    /// How the server names its objects.
    pub(super) fn format(&self) -> ObjectFormat {
        self.format.unwrap_or_default()
    }

    /// The same in its words, where it says so: it wants to hear it then.
    pub(super) fn says_format(&self) -> Option<&'static str> {
        self.format.map(ObjectFormat::capability)
    }

    /// How we name ourselves, where the server does so, too: some end a connection when it is not asked for.
    pub(super) fn agent(&self) -> Option<&'static str> {
        self.value("agent=").map(|_| AGENT)
    }

    /// The beginning of a command of version 2, to which its arguments are added.
    pub(super) fn command(&self, name: &str) -> Vec<u8> {
        let mut out = Vec::new();
        packet::push(&mut out, format!("command={name}\n").as_bytes());
        let said = self.agent().into_iter().chain(self.says_format());
        said.for_each(|line| packet::push(&mut out, format!("{line}\n").as_bytes()));
        packet::push_delimiter(&mut out);
        out
    }

    /// Takes in which branch `HEAD` names, as version 0 says it.
    pub(super) fn name_head(&mut self, target: &str) {
        self.words.push(format!("symref=HEAD:{target}"));
    }

    /// Writes down what a server of version 2 can do, to be asked at once the next time.
    pub(super) fn note(&self) -> Option<String> {
        let is_of_use = self.version == Version::Two && self.is_direct && self.suffices();
        is_of_use.then(|| self.words.iter().filter(|word| is_ours(word)).map(|word| format!("{word}\n")).collect())
    }

    /// Reads that.
    pub(super) fn of_note(note: &str) -> Option<Self> {
        let read = Self { is_direct: true, ..Self::with(note.lines()) };
        (note.lines().all(is_ours) && read.suffices()).then_some(read)
    }
}

/// Whether a word is one of those that servers of version 2 differ in.
fn is_ours(word: &str) -> bool {
    OPTIONAL.iter().map(|(word, _)| word).chain(NAMES).any(|known| *known == word)
}

/// The object format that the first of these words tells which names one.
fn said_format(words: &[String]) -> Option<ObjectFormat> {
    words.iter().find_map(|word| word.strip_prefix(FORMAT)).and_then(format)
}

/// The object format of this name.
fn format(name: &str) -> Option<ObjectFormat> {
    ObjectFormat::ALL.into_iter().find(|format| format.name() == name)
}

/// Fails where a remote has an object format that is not known. It need not name one.
pub(super) fn check_format(name: Option<&str>, remote: &str) -> Result<(), Error> {
    match name.filter(|name| format(name).is_none()) {
        Some(name) => {
            let format = words::one_line(name, MAX_QUOTED);
            Err(Error::ObjectFormat { remote: remote.to_owned(), format, expected: "sha1 or sha256" })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(lines: &[&str]) -> Result<Capabilities, Error> {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        Capabilities::of_version_2(&lines, "remote")
    }

    #[test]
    fn version_2_is_told_in_the_words_of_version_0() {
        let git =
            read(&["agent=git/2.39", "ls-refs=unborn", "fetch=shallow wait-for-done", "object-format=sha1"]).unwrap();
        for word in ["shallow", "deepen-since", "unborn", "object-format=sha1", "side-band-64k", "agent="] {
            assert!(git.has(word), "{word}");
        }
        assert!(git.suffices());
        let least = read(&["ls-refs", "fetch"]).unwrap();
        assert!(least.suffices() && !["shallow", "unborn", "agent="].iter().any(|word| least.has(word)));
        assert!(
            !read(&["ls-refs=unborn"]).unwrap().suffices() && !read(&["fetch=shallow", "ls-refs2"]).unwrap().suffices()
        );
        assert_eq!((git.format(), least.format(), least.says_format()), (ObjectFormat::Sha1, ObjectFormat::Sha1, None));
        let longer = read(&["ls-refs", "fetch", "object-format=sha256"]).unwrap();
        assert_eq!((longer.format(), longer.says_format()), (ObjectFormat::Sha256, Some("object-format=sha256")));
        let said = read(&["ls-refs", "fetch", "object-format=sha3"]).unwrap_err().to_string();
        assert_eq!(said, "remote uses the object format 'sha3', not sha1 or sha256");
    }

    #[test]
    fn what_is_written_down_is_read_again_and_nothing_else_is() {
        let mut git = read(&["agent=s3cret", "ls-refs", "fetch=shallow"]).unwrap();
        assert_eq!(git.note(), None);
        git.is_direct = true;
        let note = git.note().unwrap();
        assert!(!note.contains("s3cret"));
        assert_eq!(Capabilities::of_note(&note), Some(git.clone()));
        git.name_head("refs/heads/main");
        assert_eq!(git.note(), Some(note));
        for broken in ["", "ls-refs\nfetch\nx\n", "fetch\n"] {
            assert_eq!(Capabilities::of_note(broken), None, "{broken:?}");
        }
    }
}
