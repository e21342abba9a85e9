//! Three processes with one text, in every order of what may happen to them.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::gather::{Gather, Times};
use tokio::time::Instant;

/// A text in memory, perhaps out of reach; others come between reading and writing.
#[derive(Default)]
struct Paper {
    text: Mutex<Option<(u64, String)>>,
    is_out_of_reach: Mutex<bool>,
}

impl Paper {
    fn reach(&self) -> Result<(), Unreachable> {
        match *self.is_out_of_reach.lock().unwrap() {
            true => Err(Unreachable("gone".to_owned())),
            false => Ok(()),
        }
    }

    fn incidents(&self) -> usize {
        let text = self.text.lock().unwrap().as_ref().map(|(_, text)| text.clone()).unwrap_or_default();
        parse(&text).incidents.len()
    }
}

impl Text for Paper {
    fn read(&self) -> Answer<'_, Option<(String, String)>> {
        Box::pin(async {
            self.reach()?;
            let read = self.text.lock().unwrap().clone();
            tokio::task::yield_now().await;
            Ok(read.map(|(version, text)| (version.to_string(), text)))
        })
    }

    fn write<'a>(&'a self, over: Option<&'a str>, text: String) -> Answer<'a, bool> {
        Box::pin(async move {
            self.reach()?;
            tokio::task::yield_now().await;
            let mut kept = self.text.lock().unwrap();
            let version = kept.as_ref().map(|(version, _)| *version);
            if version.map(|version| version.to_string()).as_deref() != over {
                return Ok(false);
            }
            *kept = Some((version.unwrap_or_default() + 1, text));
            Ok(true)
        })
    }
}

/// A process that polls, and tells one chat what fails.
struct Process {
    shared: Shared,
    gather: Gather,
    ledger: Ledger,
    /// What it knows to fail, by itself or from others.
    failing: BTreeSet<String>,
    inherited: BTreeSet<String>,
}

const TIMES: Times = Times { group: Duration::ZERO, quiet: Duration::ZERO };

/// What happens to what is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    Arrives,
    /// The process is killed before it is sent.
    Lost,
    /// The process is killed before it tells the others that it has arrived.
    Unknown,
}

impl Process {
    fn new(paper: &Arc<Paper>, me: &str) -> Self {
        Self {
            shared: Shared::new(Arc::clone(paper) as Arc<dyn Text>, me.to_owned()),
            gather: Gather::default(),
            ledger: Ledger::default(),
            failing: BTreeSet::new(),
            inherited: BTreeSet::new(),
        }
    }

    fn poll(&mut self, subject: &str, works: bool) {
        let is_new = match works {
            true => self.failing.remove(subject) | self.inherited.remove(subject),
            false => self.failing.insert(subject.to_owned()),
        };
        if is_new {
            let kind = if works { Kind::Recovered } else { Kind::Failing };
            self.gather.take(event(kind, subject), Instant::now(), TIMES);
        }
    }

    /// Takes over what is its own from now on, and what it knows of others.
    async fn take(&mut self, owns: impl Fn(&str) -> bool) {
        for Known { event, has_arrived, .. } in self.shared.known().await.unwrap_or_default() {
            let subject = event.incident.as_ref().unwrap().subject.clone();
            if owns(&subject) && !self.failing.contains(&subject) && self.inherited.insert(subject) {
                if has_arrived {
                    self.ledger.arrived(&tidings(&event));
                }
                self.gather.known(event, !has_arrived);
            }
        }
        let mut others: BTreeSet<String> = self.failing.extract_if(.., |subject| !owns(subject)).collect();
        others.extend(self.inherited.extract_if(.., |subject| !owns(subject)));
        for subject in others {
            if let Some(cause) = self.gather.moved(&subject, Instant::now(), TIMES) {
                self.ledger.arrived(&Tidings { to: Some(chat()), begun: Vec::new(), over: vec![cause] });
            }
        }
    }

    /// Tells what there is to tell. Returns what has arrived.
    async fn tell(&mut self, sent: Sent) -> Vec<&'static str> {
        let Some(mut digest) = self.gather.rest(Instant::now(), TIMES) else { return Vec::new() };
        self.shared.agree(&mut [(&chat(), &mut digest)], &self.ledger).await;
        if sent == Sent::Lost {
            return Vec::new();
        }
        self.ledger.arrived(&digest.tidings(&chat()));
        if sent == Sent::Arrives {
            self.shared.arrived(&self.ledger).await;
        }
        digest.entries.iter().map(|entry| entry.event.kind.as_str()).collect()
    }
}

fn chat() -> Name {
    Name { namespace: "shop".to_owned(), name: "chat".to_owned() }
}

fn tidings(event: &Event) -> Tidings {
    let cause = crate::gather::cause(event.incident.as_ref().unwrap());
    Tidings { to: Some(chat()), begun: vec![cause], over: Vec::new() }
}

fn event(kind: Kind, subject: &str) -> Event {
    Event {
        kind,
        severity: Severity::Error,
        about: About::default(),
        message: format!("{} {subject}", kind.as_str()),
        hint: None,
        at: Timestamp::UNIX_EPOCH,
        commit: None,
        incident: Some(Incident { subject: subject.to_owned(), host: Some("ghcr.io".to_owned()) }),
    }
}

#[tokio::test]
async fn of_an_outage_that_all_see_one_tells_and_the_last_ends_it() {
    let paper = Arc::default();
    let mut all: Vec<Process> = ["a", "b", "c"].iter().map(|me| Process::new(&paper, me)).collect();
    for works in [false, true] {
        for (n, process) in all.iter_mut().enumerate() {
            process.poll(&format!("image {n}"), works);
        }
        let [a, b, c] = all.as_mut_slice() else { panic!() };
        // At the same moment.
        let told = tokio::join!(a.tell(Sent::Arrives), b.tell(Sent::Arrives), c.tell(Sent::Arrives));
        let told: Vec<&str> = [told.0, told.1, told.2].concat();
        assert_eq!(told, [if works { "recovered" } else { "failing" }]);
    }
    assert_eq!(paper.incidents(), 0);
}

#[tokio::test]
async fn it_goes_on_until_it_is_over_for_all() {
    let paper = Arc::default();
    let (mut a, mut b) = (Process::new(&paper, "a"), Process::new(&paper, "b"));
    a.poll("one", false);
    assert_eq!(a.tell(Sent::Arrives).await, ["failing"]);
    b.poll("two", false);
    assert!(b.tell(Sent::Arrives).await.is_empty());
    a.poll("one", true);
    assert!(a.tell(Sent::Arrives).await.is_empty() && a.ledger.of("host ghcr.io").is_empty());
    // It was not over, and begins for nobody.
    a.poll("one", false);
    assert!(a.tell(Sent::Arrives).await.is_empty());
    b.poll("two", true);
    assert!(b.tell(Sent::Arrives).await.is_empty());
    a.poll("one", true);
    assert_eq!(a.tell(Sent::Arrives).await, ["recovered"]);
    assert_eq!(paper.incidents(), 0);
}

#[tokio::test]
async fn whoever_takes_over_ends_what_one_that_is_gone_has_told() {
    for (sent, begins) in [(Sent::Arrives, false), (Sent::Lost, true), (Sent::Unknown, true)] {
        let paper = Arc::default();
        let mut a = Process::new(&paper, "a");
        a.poll("one", false);
        assert_eq!(a.tell(sent).await.is_empty(), sent == Sent::Lost);
        drop(a);
        let mut b = Process::new(&paper, "b");
        b.take(|_| true).await;
        b.poll("one", false);
        assert_eq!(!b.tell(Sent::Arrives).await.is_empty(), begins);
        b.poll("one", true);
        assert_eq!(b.tell(Sent::Arrives).await, ["recovered"]);
        assert_eq!(paper.incidents(), 0);
    }
}

#[tokio::test]
async fn what_moves_is_told_to_nobody() {
    let paper = Arc::default();
    let (mut a, mut b) = (Process::new(&paper, "a"), Process::new(&paper, "b"));
    (0..30).for_each(|n| a.poll(&format!("image {n:02}"), false));
    assert_eq!(a.tell(Sent::Arrives).await, ["failing"]);
    // Those that the others know of move, and some of the rest.
    for (process, mine) in [(&mut b, false), (&mut a, true)] {
        process.take(|subject| (subject >= "image 20") == mine).await;
    }
    (0..20).for_each(|n| b.poll(&format!("image {n:02}"), false));
    assert!(b.tell(Sent::Arrives).await.is_empty() && a.tell(Sent::Arrives).await.is_empty());
    (20..30).for_each(|n| a.poll(&format!("image {n:02}"), true));
    assert!(a.tell(Sent::Arrives).await.is_empty(), "it goes on for the other");
    (0..20).for_each(|n| b.poll(&format!("image {n:02}"), true));
    assert_eq!(b.tell(Sent::Arrives).await, ["recovered"]);
}

#[tokio::test(start_paused = true)]
async fn out_of_reach_each_tells_for_itself() {
    let paper: Arc<Paper> = Arc::default();
    let (mut a, mut b) = (Process::new(&paper, "a"), Process::new(&paper, "b"));
    *paper.is_out_of_reach.lock().unwrap() = true;
    for (works, word) in [(false, "failing"), (true, "recovered")] {
        for process in [&mut a, &mut b] {
            process.poll("one", works);
            assert_eq!(process.tell(Sent::Arrives).await, [word]);
            assert!(process.shared.known().await.is_none());
        }
    }
    // An end that the others were not told of is found by whoever works on it next.
    *paper.is_out_of_reach.lock().unwrap() = false;
    a.poll("two", false);
    assert_eq!(a.tell(Sent::Arrives).await, ["failing"]);
    *paper.is_out_of_reach.lock().unwrap() = true;
    a.poll("two", true);
    assert_eq!(a.tell(Sent::Arrives).await, ["recovered"]);
    *paper.is_out_of_reach.lock().unwrap() = false;
    assert_eq!(paper.incidents(), 1);
    b.take(|_| true).await;
    b.poll("two", true);
    assert_eq!(b.tell(Sent::Arrives).await, ["recovered"]);
    assert_eq!(paper.incidents(), 0);
}

#[tokio::test]
async fn a_text_of_somebody_else_or_too_much_of_it_is_begun_anew() {
    for text in ["no", "[]", &"x".repeat(MAX_TEXT + 1)] {
        let paper: Arc<Paper> = Arc::default();
        *paper.text.lock().unwrap() = Some((7, text.to_owned()));
        let mut a = Process::new(&paper, "a");
        a.take(|_| true).await;
        a.poll("one", false);
        assert_eq!(a.tell(Sent::Arrives).await, ["failing"]);
        assert_eq!(paper.incidents(), 1);
        a.shared.forget(&[chat()]).await;
        assert_eq!(paper.incidents(), 0, "nobody tells that one anything any more");
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_no_room_is_told_by_each() {
    let paper: Arc<Paper> = Arc::default();
    let mut many = Vec::new();
    for me in ["a", "b"] {
        let mut process = Process::new(&paper, me);
        for n in 0..2000 {
            let incident = Some(Incident { subject: format!("{n} {}", "x".repeat(100)), host: None });
            process.gather.take(Event { incident, ..event(Kind::Failing, "") }, Instant::now(), TIMES);
        }
        many.push(process.tell(Sent::Arrives).await.len());
    }
    assert_eq!(many[0], many[1]);
    assert_eq!(paper.incidents(), 0);
}

/// Numbers that follow from a seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

/// Whatever happens in whatever order: beginnings and ends take turns, unless a process is killed in the moment of telling; and in the end
/// all is over.
#[tokio::test]
async fn whatever_happens_each_beginning_has_one_end() {
    for seed in 0..300 {
        let (paper, mut numbers) = (Arc::default(), Numbers(seed));
        let kills = seed % 2 == 1;
        let mut all: Vec<Process> = (0..3).map(|n| Process::new(&paper, &n.to_string())).collect();
        let subjects: Vec<String> = (0..12).map(|n| format!("image {n}")).collect();
        let mut owners: Vec<usize> = subjects.iter().map(|_| numbers.below(3)).collect();
        let (mut told, mut works, mut lives) = (Vec::new(), true, 3);
        for _ in 0..60 {
            match numbers.below(6) {
                0 => works = !works,
                1 => {
                    let subject = numbers.below(subjects.len());
                    owners[subject] = numbers.below(3);
                    takes(&mut all, &subjects, &owners).await;
                }
                2 if kills => {
                    let one = numbers.below(3);
                    let sent = if numbers.below(2) == 0 { Sent::Lost } else { Sent::Unknown };
                    told.extend(all[one].tell(sent).await);
                    lives += 1;
                    all[one] = Process::new(&paper, &lives.to_string());
                    takes(&mut all, &subjects, &owners).await;
                }
                3 => {
                    let one = numbers.below(3);
                    told.extend(all[one].tell(Sent::Arrives).await);
                }
                _ => {
                    let subject = numbers.below(subjects.len());
                    all[owners[subject]].poll(&subjects[subject], works);
                }
            }
        }
        for (subject, owner) in subjects.iter().zip(&owners) {
            all[*owner].poll(subject, true);
        }
        for process in &mut all {
            told.extend(process.tell(Sent::Arrives).await);
        }
        assert_eq!(paper.incidents(), 0, "seed {seed}: {told:?}");
        let (begins, ends) = told.iter().partition::<Vec<&str>, _>(|word| **word == "failing");
        assert_ne!(told.last(), Some(&"failing"), "seed {seed}: {told:?}");
        if !kills {
            assert_eq!(begins.len(), ends.len(), "seed {seed}: {told:?}");
            assert!(told.windows(2).all(|pair| pair[0] != pair[1]), "seed {seed}: {told:?}");
        }
    }
}

async fn takes(all: &mut [Process], subjects: &[String], owners: &[usize]) {
    for (n, process) in all.iter_mut().enumerate() {
        let owns = |subject: &str| subjects.iter().zip(owners).any(|(it, owner)| it == subject && *owner == n);
        process.take(owns).await;
    }
}
