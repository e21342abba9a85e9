//! What happened, in words: ours, or those of a template, as much of them as there is room for where they are shown.

use std::time::Duration;

use gotext::template::{RenderError, Template};

use super::chat;
use super::event::{Change, Event, Kind, Severity};
use super::gather::{Digest, Entry};
use super::markup::Markup;
use super::template::data;

/// How much one message tells; more is counted.
pub const MAX_ENTRIES: usize = 100;

/// How many changes of a commit our words name.
const MAX_CHANGES: usize = 10;

/// The longest sentence of an event in our words, in characters.
const MAX_SENTENCE: usize = 1_000;

/// The longest subject of a mail, in characters.
const MAX_SUBJECT: usize = 150;

/// What stands before further words about an event.
const INDENT: &str = "    ";

/// A message for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    /// One line.
    pub(crate) subject: String,
    /// The text, marked up.
    pub(crate) body: String,
    /// Whether the words are a template's, which may mention whom it wants.
    pub(crate) is_theirs: bool,
}

/// Where a message is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) markup: Markup,
    /// How much has room, as [`Room::takes`] measures it.
    pub(crate) limit: usize,
}

/// What somebody has chosen of the words.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Words<'w> {
    /// What each message begins with.
    pub(crate) summary: &'w str,
    /// Further names and values, below the summary.
    pub(crate) metadata: &'w [(String, String)],
    /// The words, in place of ours.
    pub(crate) template: Option<&'w Template>,
}

/// Writes a message.
///
/// # Errors
/// The template fails on what happened.
pub(crate) fn letter(digest: &Digest, words: Words<'_>, room: Room) -> Result<Letter, RenderError> {
    let Some(template) = words.template else { return Ok(plain(digest, words, room)) };
    let severity = worst(digest);
    let text = template.render(&data(digest, words.summary, severity, room.markup))?;
    Ok(Letter { subject: subject(digest, severity), body: room.cut(&text), is_theirs: true })
}

/// Writes a message in our words.
pub(crate) fn plain(digest: &Digest, words: Words<'_>, room: Room) -> Letter {
    let body = ours(digest, words, room);
    Letter { subject: subject(digest, worst(digest)), body, is_theirs: false }
}

fn worst(digest: &Digest) -> Severity {
    digest.entries.iter().map(|entry| entry.event.severity).max().unwrap_or(Severity::Info)
}

/// What happened, the oldest first. An event is told once its sentence is; those that are not are counted.
fn ours(digest: &Digest, words: Words<'_>, room: Room) -> String {
    let mut page = Page::new(room, &[&more_events(usize::MAX), CUT]);
    let summary = Some(words.summary.to_owned()).filter(|summary| !summary.is_empty());
    let metadata = words.metadata.iter().map(|(name, value)| format!("{name}: {value}"));
    // Whatever is chosen, there is room for what happened.
    let frame: Vec<String> =
        summary.into_iter().chain(metadata).map(|line| room.fitting(&line, room.limit / 8)).collect();
    let frame_end = page.left / 2;
    for line in &frame {
        if page.left > frame_end {
            page.put(line);
        }
    }
    let mut told = 0;
    for entry in &digest.entries {
        let sign = sign(room.markup, entry);
        let sentence = room.fitting(&sentence(entry), room.limit / 4);
        if !page.put(&format!("{sign}{sentence}")) {
            break;
        }
        told += 1;
        if !details(entry, room).iter().all(|line| page.put(line)) {
            page.put_last(CUT);
            break;
        }
    }
    let left = digest.entries.len() - told + digest.more;
    if left > 0 {
        page.put_last(&more_events(left));
    }
    page.text.truncate(page.text.trim_end().len());
    page.text
}

/// What is left out of the words about an event.
const CUT: &str = "    …";

fn more_events(count: usize) -> String {
    format!("… and {}", words::plural(count, "more event"))
}

const fn sign(markup: Markup, entry: &Entry) -> &'static str {
    match (markup, entry.event.kind, entry.event.severity) {
        (Markup::Plain, _, Severity::Error) => "error: ",
        (Markup::Plain, ..) => "",
        (_, Kind::Recovered, _) => "🟢 ",
        (_, _, Severity::Error) => "🔴 ",
        _ => "🔵 ",
    }
}

/// What else there is to say of an event, marked up.
fn details(entry: &Entry, room: Room) -> Vec<String> {
    let line = |text: &str| INDENT.to_owned() + &room.fitting(&words::shorten(text, MAX_SENTENCE), room.limit / 4);
    let Event { hint, commit, .. } = &entry.event;
    let mut lines: Vec<String> = hint.iter().map(|hint| line(&format!("hint: {hint}"))).collect();
    let Some(commit) = commit else { return lines };
    for Change { file, line: number, old, new, policy } in commit.changes.iter().take(MAX_CHANGES) {
        lines.push(line(&format!("{file}:{number}: {old} -> {new} ({policy})")));
    }
    let more = commit.changes.len().saturating_sub(MAX_CHANGES);
    if more > 0 {
        lines.push(format!("{INDENT}and {}", words::plural(more, "more change")));
    }
    lines.extend(commit.page.iter().map(|page| format!("{INDENT}{}", room.markup.link(page))));
    lines
}

/// A text that grows line by line as long as there is room.
struct Page {
    text: String,
    room: Room,
    left: usize,
    /// What is kept for the last words.
    kept: usize,
}

impl Page {
    fn new(room: Room, last: &[&str]) -> Self {
        let kept = last.iter().map(|line| room.takes(line)).sum();
        Self { text: String::new(), room, left: room.limit.saturating_sub(kept), kept }
    }

    /// Adds a line, if it has room.
    fn put(&mut self, line: &str) -> bool {
        let takes = self.room.takes(line);
        let has_room = takes <= self.left;
        if has_room {
            self.left -= takes;
            self.text.push_str(line);
            self.text.push('\n');
        }
        has_room
    }

    /// Adds one of the last words, for which room was kept.
    fn put_last(&mut self, line: &str) {
        self.left += std::mem::take(&mut self.kept);
        self.put(line);
    }
}

impl Room {
    /// How much room a line takes: of a card it has a frame of its own and is measured in bytes, as all of the message is; for others
    /// characters count as JavaScript counts them.
    pub(crate) fn takes(self, line: &str) -> usize {
        match self.markup {
            Markup::Card => chat::block(line).to_string().len() + 1,
            _ => line.encode_utf16().count() + 1,
        }
    }

    /// A text marked up in so much room, with an ellipsis where there is more of it.
    fn fitting(self, text: &str, limit: usize) -> String {
        let mut most = text.chars().count();
        loop {
            let written = self.markup.escape(&words::shorten(text, most));
            if self.takes(&written) <= limit || most == 0 {
                return written;
            }
            // Marks take room as well.
            most = (most * 3 / 4).min(limit);
        }
    }

    /// As much of a text as there is room for: whole lines, of the last one whole words, and how much more there is.
    fn cut(self, text: &str) -> String {
        let text = text.trim_end();
        if text.lines().map(|line| self.takes(line)).sum::<usize>() <= self.limit + 1 {
            return text.to_owned();
        }
        let mut left = self.limit.saturating_sub(self.takes(&more_characters(usize::MAX)));
        let mut end = 0;
        for line in text.split_inclusive('\n') {
            let content = line.trim_end_matches(['\n', '\r']);
            match left.checked_sub(self.takes(content)) {
                Some(rest) => (left, end) = (rest, end + line.len()),
                None => {
                    end += self.begin(content, left).len();
                    break;
                }
            }
        }
        let kept = text[..end].trim_end();
        let more = text[kept.len()..].trim().chars().count();
        format!("{kept}\n{}", more_characters(more)).trim_start().to_owned()
    }

    /// As much of a marked-up line as has room, up to a blank if there is one that is not far.
    fn begin(self, line: &str, limit: usize) -> &str {
        let ends: Vec<usize> = line.char_indices().map(|(at, _)| at).collect();
        let fits = ends.partition_point(|end| self.takes(&line[..*end]) <= limit);
        let begin = &line[..fits.checked_sub(1).map_or(0, |last| ends[last])];
        match begin.rfind(' ') {
            Some(blank) if blank >= begin.len() / 2 => &begin[..blank],
            _ => self.markup.whole(begin),
        }
    }
}

fn more_characters(count: usize) -> String {
    format!("… and {}, for which there is no room here", words::plural(count, "more character"))
}

/// The sentence of an event, with what was found out since.
pub(crate) fn sentence(entry: &Entry) -> String {
    let mut text = words::shorten(&entry.event.message, MAX_SENTENCE);
    if let Some(lasted) = entry.lasted {
        text.push_str(&format!(", after {}", span(lasted)));
    }
    if entry.affected > 1 {
        text.push_str(&format!(" ({} affected)", entry.affected));
    }
    text
}

/// A time in the two largest units that it has.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

fn subject(digest: &Digest, severity: Severity) -> String {
    let begin = if severity == Severity::Error { "tagwright: error: " } else { "tagwright: " };
    if let ([entry], 0) = (digest.entries.as_slice(), digest.more) {
        return begin.to_owned() + &words::one_line(&sentence(entry), MAX_SUBJECT);
    }
    let count = |kind: Kind| digest.entries.iter().filter(|entry| entry.event.kind == kind).count();
    let counted = Kind::ALL.map(|kind| (kind, count(kind))).into_iter().filter(|(_, count)| *count > 0);
    let mut parts: Vec<String> = counted.map(|(kind, count)| format!("{count} {}", kind.as_str())).collect();
    if digest.more > 0 {
        parts.push(format!("{} more", digest.more));
    }
    begin.to_owned() + &parts.join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::Timestamp;

    use super::*;
    use crate::event::{About, Commit};

    fn entry(kind: Kind, message: &str) -> Entry {
        let event = Event {
            kind,
            severity: if kind == Kind::Failing { Severity::Error } else { Severity::Info },
            about: About::default(),
            message: message.to_owned(),
            hint: None,
            at: Timestamp::UNIX_EPOCH,
            commit: None,
            incident: None,
        };
        Entry { event, affected: 0, lasted: None, cause: None, subjects: Vec::new() }
    }

    fn write(entries: Vec<Entry>, markup: Markup, limit: usize) -> Letter {
        letter(&Digest { entries, more: 0 }, Words::default(), Room { markup, limit }).unwrap()
    }

    /// Nothing that is told has more room than there is, in the worst of letters, and each event that is not told is counted.
    #[test]
    fn a_message_keeps_its_length_and_counts_events() {
        let rooms = [
            (Markup::Slack, chat::SLACK_TEXT),
            (Markup::Card, chat::TEAMS_TEXT),
            (Markup::Discord, chat::DISCORD_TEXT),
            (Markup::Plain, 300),
        ];
        let change = Change { file: "a.yaml".to_owned(), new: "&".repeat(500), ..Change::default() };
        for (markup, limit) in rooms {
            for letter in ["a", "\\", "&", "\"", "🦀", "@", "\u{202e}"] {
                let event = |number: usize| {
                    let mut entry = entry(Kind::Held, &format!("{number}. {}", letter.repeat(2_000)));
                    let changes = vec![change.clone(); 30];
                    entry.event.commit = Some(Commit { changes, ..Commit::default() });
                    entry
                };
                let digest = Digest { entries: (0..50).map(event).collect(), more: 7 };
                let metadata = vec![("env".to_owned(), letter.repeat(9_000)); 20];
                let summary = letter.repeat(9_000);
                let room = Room { markup, limit };
                let body = plain(&digest, Words { summary: &summary, metadata: &metadata, template: None }, room).body;
                assert!(body.lines().map(|line| room.takes(line)).sum::<usize>() <= limit, "{markup:?} {letter}");
                let begins = |line: &&str| {
                    line.trim_start_matches("🔵 ").split_once(". ").is_some_and(|it| it.0.parse::<u8>().is_ok())
                };
                let told = body.lines().filter(begins).count();
                assert!(told > 0, "{markup:?} {letter}: {body}");
                assert!(body.ends_with(&format!("… and {} more events", 57 - told)), "{markup:?} {letter}: {body}");
            }
        }
    }

    #[test]
    fn a_card_of_whatever_is_said_has_room() {
        let entries = (0..100).map(|number| entry(Kind::Held, &format!("{number} {}", "ä".repeat(900)))).collect();
        let letter = write(entries, Markup::Card, chat::TEAMS_TEXT);
        let blocks: Vec<&str> = letter.body.lines().collect();
        let length = chat::card(&blocks).to_string().len();
        assert!((20_000..=chat::TEAMS_MESSAGE).contains(&length), "{length}");
    }

    #[test]
    fn a_template_is_cut_where_a_line_or_a_word_ends() {
        let cut = |markup: Markup, limit: usize, text: &str| Room { markup, limit }.cut(text);
        let check = |markup: Markup, limit: usize, text: &str, expect: &str| {
            let found = cut(markup, limit, text);
            assert_eq!(found, expect);
            assert!(found.encode_utf16().count() <= limit);
        };
        check(Markup::Plain, 90, "short", "short");
        let more = |count: usize| format!("… and {count} more characters, for which there is no room here");
        let words = "one two three four five\n".repeat(6);
        check(
            Markup::Plain,
            130,
            &words,
            &format!("one two three four five\none two three four five\none\n{}", more(91)),
        );
        // Not in the middle of a character, an entity, an escape or a link.
        let cases =
            [(Markup::Plain, "🦀"), (Markup::Slack, "&amp;"), (Markup::Discord, "\\*"), (Markup::Slack, "<a|b>")];
        for (markup, part) in cases {
            let found = cut(markup, 140, &part.repeat(300));
            let (kept, note) = found.split_once('\n').unwrap();
            assert!(!kept.is_empty() && kept.replace(part, "").is_empty(), "{found}");
            assert!(note.starts_with("… and ") && found.encode_utf16().count() <= 140, "{found}");
        }
        let template = Template::parse("t", "{{ range .Events }}{{ .Message }}{{ end }}").unwrap();
        let digest = Digest { entries: (0..9).map(|_| entry(Kind::Held, &"x".repeat(90))).collect(), more: 0 };
        let words = Words { template: Some(&template), ..Words::default() };
        let theirs = super::letter(&digest, words, Room { markup: Markup::Plain, limit: 200 }).unwrap();
        assert!(theirs.is_theirs && theirs.body.contains(" more characters"), "{}", theirs.body);
        assert_eq!(theirs.subject, "tagwright: 9 held");
    }

    #[test]
    fn our_words() {
        let mut failing = entry(Kind::Failing, "ghcr.io fails: HTTP 503");
        failing.affected = 500;
        failing.event.hint = Some("wait".to_owned());
        let mut over = entry(Kind::Recovered, "ghcr.io works again");
        (over.affected, over.lasted) = (500, Some(Duration::from_secs(3900)));
        let mut pushed = entry(Kind::Pushed, "default/shop: pushed 1a2b3c4 to main");
        let change =
            Change { file: "a.yaml".into(), line: 3, old: "a:1".into(), new: "a:2".into(), policy: "d:a".into() };
        let page = Some("https://github.com/a/b/commit/1".to_owned());
        pushed.event.commit = Some(Commit { id: "1".into(), branch: "main".into(), page, changes: vec![change] });
        let letter = write(vec![failing, over, pushed], Markup::Plain, 4000);
        assert_eq!(
            letter.body,
            "error: ghcr.io fails: HTTP 503 (500 affected)\n    hint: wait\nghcr.io works again, after 1 h 5 min (500 affected)\n\
             default/shop: pushed 1a2b3c4 to main\n    a.yaml:3: a:1 -> a:2 (d:a)\n    https://github.com/a/b/commit/1"
        );
        assert_eq!(letter.subject, "tagwright: error: 1 pushed, 1 failing, 1 recovered");
        let metadata = [("env".to_owned(), "prod".to_owned())];
        let words = Words { summary: "cluster", metadata: &metadata, template: None };
        let digest = Digest { entries: vec![entry(Kind::Held, "one")], more: 0 };
        assert_eq!(plain(&digest, words, Room { markup: Markup::Plain, limit: 400 }).body, "cluster\nenv: prod\none");
    }
}
