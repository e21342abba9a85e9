//! What was read, and what was found wrong with it while reading.
//!
//! Reading goes on after a problem, so that a user sees all of them. The report is shared by reference and collects.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tagwright_core::automation::{Element, ObjectName, Origins};
use tagwright_core::change::{Excerpt, Location};
use tagwright_core::spelling::{listed, nearest};

use super::Purpose;
use super::alike::Alike;
use super::field_path;
use super::notice::{Effect, Notice};
use super::objects::About;
use super::problem::{Error, Problem, Related};
use super::secrets::Referred;
use super::source::{Origin, Source};
use super::text::Text;
use super::yaml::Place;

/// The longest part of a value that a message repeats, in characters.
const MAX_QUOTED: usize = 100;

/// How many problems are kept.
const MAX_FINDINGS: usize = 500;

/// How many notices are kept.
const MAX_NOTICES: usize = 500;

/// How many problems, and how many notices, are kept of the objects of a cluster.
const MAX_OF_OBJECTS: usize = 200_000;

/// Problems and notices of one configuration, with the texts they are about.
#[derive(Debug, Default)]
pub(super) struct Report {
    purpose: Purpose,
    sources: Vec<Source>,
    findings: RefCell<Vec<Finding>>,
    notices: RefCell<Vec<Remark>>,
    /// Where the parts of the configuration are.
    origins: RefCell<Vec<(Element, Place)>>,
    /// Values that must not be shown.
    masks: RefCell<Vec<Place>>,
    /// Secrets and service accounts that something refers to, and the sources that do.
    referred: RefCell<BTreeMap<Referred, BTreeSet<usize>>>,
    /// Files that the configuration names, which belong to it.
    beside: RefCell<BTreeSet<PathBuf>>,
    /// The repository of Autopilot's block, where that does not say.
    repository: Option<String>,
    /// Those that could not be had, and why.
    unreadable: BTreeMap<Referred, String>,
    /// What several objects have alike, which is made once.
    pub(super) alike: Alike,
}

/// A problem before its file and line are looked up.
#[derive(Debug)]
pub(super) struct Finding {
    place: Spot,
    message: String,
    hint: Option<String>,
    related: Option<(Place, String)>,
}

/// A notice before its file and line are looked up.
#[derive(Debug, PartialEq, Eq)]
struct Remark {
    place: Option<Place>,
    message: String,
    effect: Effect,
}

#[derive(Debug)]
enum Spot {
    /// Somewhere in a file.
    Place(Place),
    /// Somewhere in a file that must not be shown.
    Hidden(Place),
    /// A file that could not be read, or nothing when empty.
    File(String),
}

/// A report in which each source stands for itself, by their indices.
pub(super) struct Each {
    /// What was found.
    pub(super) about: BTreeMap<usize, About>,
    /// Where automations are written.
    pub(super) written: BTreeMap<ObjectName, usize>,
    /// Secrets and service accounts that are referred to, and from where.
    pub(super) referred: BTreeMap<Referred, BTreeSet<usize>>,
}

/// Says that a problem was put into the report.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reported;

/// A value, or the knowledge that the reason for its absence is in the report.
pub(super) type Checked<T> = Result<T, Reported>;

impl Finding {
    pub(super) fn at(place: Place, message: impl Into<String>) -> Self {
        Self { place: Spot::Place(place), message: message.into(), hint: None, related: None }
    }

    /// A problem whose line may hold a secret.
    pub(super) fn hidden(place: Place, message: impl Into<String>) -> Self {
        Self { place: Spot::Hidden(place), message: message.into(), hint: None, related: None }
    }

    /// A problem with a file, not with a place in it.
    pub(super) fn file(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: Spot::File(path.into()), message: message.into(), hint: None, related: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    pub(super) fn related(self, place: Place, label: impl Into<String>) -> Self {
        Self { related: Some((place, label.into())), ..self }
    }
}

impl Report {
    /// Says that a text is none of the words that there are.
    pub(super) fn no_word(&self, text: &Text, words: &[&str]) -> Reported {
        let hint = match nearest(&text.value, words) {
            Some(word) => format!("a similar value exists: `{word}`"),
            None => format!("the values are {}", listed(words)),
        };
        let message = format!("`{}` cannot be {}", text.path, quoted(&text.value));
        self.add(Finding::at(text.place, message).hint(hint))
    }

    pub(super) fn new(purpose: Purpose) -> Self {
        Self { purpose, ..Self::default() }
    }

    /// For whom the block of Autopilot is about this repository, where that does not say.
    pub(super) fn of_repository(self, repository: Option<String>) -> Self {
        Self { repository, ..self }
    }

    pub(super) fn repository(&self) -> Option<&str> {
        self.repository.as_deref()
    }

    /// A report on objects of a cluster, in which some secrets and service accounts could not be had.
    pub(super) fn of_objects(unreadable: BTreeMap<Referred, String>) -> Self {
        Self { unreadable, ..Self::new(Purpose::Objects) }
    }

    /// Remembers that a file is read that the configuration names.
    pub(super) fn read_beside(&self, file: &Path) {
        self.beside.borrow_mut().insert(file.to_owned());
    }

    /// The files that the configuration names.
    pub(super) fn files_beside(&self) -> Vec<PathBuf> {
        self.beside.borrow().iter().cloned().collect()
    }

    /// Whether secrets, and what they are for, are looked at.
    pub(super) fn is_for_run(&self) -> bool {
        self.purpose != Purpose::Files
    }

    /// Whether each document stands for itself, so that what depends on a bad one has a problem of its own.
    pub(super) fn is_of_objects(&self) -> bool {
        self.purpose == Purpose::Objects
    }

    /// Remembers that something at a place refers to a secret or a service account.
    pub(super) fn refer(&self, referred: Referred, place: Place) {
        self.referred.borrow_mut().entry(referred).or_default().insert(place.file);
    }

    /// Why a secret or a service account could not be had, if somebody has tried.
    pub(super) fn unreadable(&self, referred: &Referred) -> Option<&str> {
        self.unreadable.get(referred).map(String::as_str)
    }

    /// Says that something cannot be used because of what it refers to. Where documents do not stand for themselves, the
    /// problem of the other one says it.
    pub(super) fn consequence(&self, place: Place, message: impl FnOnce() -> String) -> Reported {
        match self.is_of_objects() {
            true => self.error(place, message()),
            false => Reported,
        }
    }

    /// Records something that a run refuses, about who may poll and push and how: a problem, or a notice where that is no
    /// concern.
    ///
    /// # Errors
    /// It is a problem.
    pub(super) fn refuse(&self, place: Place, finding: Finding) -> Checked<()> {
        if self.is_for_run() {
            return Err(self.add(finding));
        }
        self.remark(Some(place), format!("{}; a run refuses it", finding.message), Effect::Unchecked);
        Ok(())
    }

    /// Adds a text that was read and returns its index.
    pub(super) fn source(&mut self, source: Source) -> usize {
        self.sources.push(source);
        self.sources.len() - 1
    }

    pub(super) fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Records a problem.
    pub(super) fn add(&self, finding: Finding) -> Reported {
        let mut findings = self.findings.borrow_mut();
        if findings.len() < if self.is_of_objects() { MAX_OF_OBJECTS } else { MAX_FINDINGS } {
            findings.push(finding);
        }
        Reported
    }

    /// Records a problem that needs neither hint nor second place.
    pub(super) fn error(&self, place: Place, message: impl Into<String>) -> Reported {
        self.add(Finding::at(place, message))
    }

    /// Records something worth knowing about the whole that is no problem.
    pub(super) fn notice(&self, message: impl Into<String>) {
        self.remark(None, message.into(), Effect::Intended);
    }

    /// Records something worth knowing about a place.
    pub(super) fn notice_at(&self, place: Place, message: impl Into<String>) {
        self.remark(Some(place), message.into(), Effect::Intended);
    }

    /// Records that something was written in vain.
    pub(super) fn idle(&self, place: Place, message: impl Into<String>) {
        self.remark(Some(place), message.into(), Effect::Lost);
    }

    /// Records something worth knowing. Twice the same is once.
    pub(super) fn remark(&self, place: Option<Place>, message: String, effect: Effect) {
        let remark = Remark { place, message, effect };
        let mut notices = self.notices.borrow_mut();
        if self.is_of_objects() {
            if notices.len() < MAX_OF_OBJECTS {
                notices.push(remark);
            }
        } else if notices.len() < MAX_NOTICES && !notices.contains(&remark) {
            notices.push(remark);
        }
    }

    /// Remembers where a part of the configuration is.
    pub(super) fn origin(&self, part: Element, place: Place) {
        // Of an object it is the object, which has to be known of automations alone.
        if !self.is_of_objects() || matches!(part, Element::Automation(_)) {
            self.origins.borrow_mut().push((part, place));
        }
    }

    /// Keeps the bytes at a place from ever being shown.
    pub(super) fn mask(&self, place: Place) {
        self.masks.borrow_mut().push(place);
    }

    pub(super) fn has_problems(&self) -> bool {
        self.problems() > 0
    }

    /// How many problems there are so far.
    pub(super) fn problems(&self) -> usize {
        self.findings.borrow().len()
    }

    /// File and line of a place, for notices.
    pub(super) fn line_of(&self, place: Place) -> String {
        let (line, _) = position(&self.sources[place.file].text, place.start);
        format!("{}:{line}", self.sources[place.file].path)
    }

    /// The place of a line within a value that is written line by line; lines count from 1. Where the line is empty or
    /// past the end, which is where something was missed, it is the last one before that has text.
    pub(super) fn line_within(&self, place: Place, line: usize) -> Option<Place> {
        let text = self.sources[place.file].text.get(place.start..place.end)?;
        let mut start = 0;
        let mut found = None;
        for (number, content) in (1..=line).zip(text.split_inclusive('\n')) {
            if !content.trim().is_empty() {
                let indent = if number == 1 { 0 } else { content.len() - content.trim_start_matches(' ').len() };
                let start = place.start + start;
                found = Some(Place { file: place.file, start: start + indent, end: start + content.trim_end().len() });
            }
            start += content.len();
        }
        found
    }

    /// The place of a text itself, without quotes, if the source has it without escapes and on one line.
    pub(super) fn verbatim(&self, place: Place, value: &str) -> Option<Place> {
        let text = self.sources[place.file].text.get(place.start..place.end)?;
        let inner = text.strip_prefix(['"', '\'']).map_or(text, |text| text.strip_suffix(['"', '\'']).unwrap_or(text));
        let offset = usize::from(inner.len() != text.len());
        (inner == value).then(|| Place {
            start: place.start + offset,
            end: place.start + offset + inner.len(),
            ..place
        })
    }

    /// What was found about each source, by its index, the sources of automations, and what is referred to from which sources.
    pub(super) fn finish_each(self) -> Each {
        let mut about: BTreeMap<usize, About> = BTreeMap::new();
        for finding in self.findings.into_inner() {
            let (Spot::Place(place) | Spot::Hidden(place)) = &finding.place else { continue };
            let problems = &mut about.entry(place.file).or_default().problems;
            let problem = problem(&self.sources, finding, &mut BTreeSet::new());
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        let mut texts = Texts::new(&self.sources, self.masks.into_inner());
        for Remark { place, message, effect } in self.notices.into_inner() {
            let Some(place) = place else { continue };
            let notice = Notice { location: texts.location(place), message, effect };
            let notices = &mut about.entry(place.file).or_default().notices;
            if !notices.contains(&notice) {
                notices.push(notice);
            }
        }
        let source = |(part, place): (Element, Place)| match part {
            Element::Automation(id) => Some((id, place.file)),
            _ => None,
        };
        let written = self.origins.into_inner().into_iter().filter_map(source).collect();
        Each { about, written, referred: self.referred.into_inner() }
    }

    /// The notices and the places of all parts, or all problems if there are any.
    pub(super) fn finish(self) -> Result<(Vec<Notice>, Origins), Error> {
        let mut findings = self.findings.into_inner();
        if findings.is_empty() {
            let mut texts = Texts::new(&self.sources, self.masks.into_inner());
            let notices = self.notices.into_inner().into_iter().map(|Remark { place, message, effect }| {
                let location = place.map(|place| texts.location(place)).unwrap_or_default();
                Notice { location, message, effect }
            });
            let notices = notices.collect();
            return Ok((notices, origins(self.origins.into_inner(), &mut texts)));
        }
        findings.sort_by_key(|finding| match &finding.place {
            Spot::File(_) => (0, None),
            Spot::Place(place) | Spot::Hidden(place) => (1, Some(*place)),
        });
        let mut shown = BTreeSet::new();
        let mut problems: Vec<Problem> =
            findings.into_iter().map(|finding| problem(&self.sources, finding, &mut shown)).collect();
        problems.dedup();
        let masks = self.masks.into_inner();
        let texts = shown.into_iter().map(|file| masked(&self.sources, file, &masks)).collect();
        Err(Error::new(problems, texts))
    }
}

/// A value as a message repeats it: bounded, escaped, in backquotes.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", words::one_line(text, MAX_QUOTED))
}

/// Where the parts of the configuration are.
fn origins(parts: Vec<(Element, Place)>, texts: &mut Texts<'_>) -> Origins {
    let mut origins = Origins::default();
    for (part, place) in parts {
        origins.insert(part, texts.location(place));
    }
    origins
}

fn problem(sources: &[Source], finding: Finding, shown: &mut BTreeSet<usize>) -> Problem {
    let located = |place: Place| {
        let source = &sources[place.file];
        if source.origin == Origin::Object {
            return (field_path::of(source, place.start), 0, 0, 0..0);
        }
        let (line, column) = position(&source.text, place.start);
        (source.path.clone(), line, column, place.start..place.end)
    };
    let related = finding.related.map(|(place, label)| {
        shown.insert(place.file);
        let (file, line, column, span) = located(place);
        Related { file, line, column, span, label }
    });
    let (file, line, column, span) = match finding.place {
        Spot::File(path) => (path, 0, 0, 0..0),
        Spot::Hidden(place) => located(place),
        Spot::Place(place) => {
            shown.insert(place.file);
            located(place)
        }
    };
    Problem { file, line, column, span, message: finding.message, hint: finding.hint, related }
}

/// The masked texts of the files, each made when it is first asked for.
struct Texts<'s> {
    sources: &'s [Source],
    masks: Vec<Place>,
    /// By file: the masked text, and where its lines start.
    known: BTreeMap<usize, (String, Vec<usize>)>,
}

impl<'s> Texts<'s> {
    fn new(sources: &'s [Source], masks: Vec<Place>) -> Self {
        Self { sources, masks, known: BTreeMap::new() }
    }

    fn location(&mut self, place: Place) -> Location {
        let source = &self.sources[place.file];
        if source.origin == Origin::Object {
            return Location::file(field_path::of(source, place.start));
        }
        let (text, starts) = self.known.entry(place.file).or_insert_with(|| {
            let (_, text) = masked(self.sources, place.file, &self.masks);
            let starts =
                std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
            (text, starts)
        });
        let line = starts.partition_point(|&start| start <= place.start).max(1);
        let before = &text[starts[line - 1]..text.floor_char_boundary(place.start)];
        let column = before.chars().filter(|c| *c != '\u{feff}').count() + 1;
        let excerpt = Excerpt::of(text, place.start..place.end);
        Location { file: self.sources[place.file].path.clone(), line, column, excerpt }
    }
}

/// Line and column of a byte, both from 1; columns count characters.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(byte)];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[start..].chars().filter(|c| *c != '\u{feff}').count() + 1)
}

/// The text of a file with everything secret replaced by `*`, byte for byte, so that places stay right.
fn masked(sources: &[Source], file: usize, masks: &[Place]) -> (String, String) {
    let source = &sources[file];
    let mut bytes = source.text.as_bytes().to_vec();
    for mask in masks.iter().filter(|mask| mask.file == file) {
        hide(&mut bytes[mask.start..mask.end]);
    }
    for range in words::logins(&source.text) {
        hide(&mut bytes[range]);
    }
    (source.path.clone(), String::from_utf8_lossy(&bytes).into_owned())
}

fn hide(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| !byte.is_ascii_whitespace()) {
        *byte = b'*';
    }
}
