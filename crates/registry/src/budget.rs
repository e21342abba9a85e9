//! How much is asked of one host: so many requests at once, so many in a second, and as fast as the host itself lets us.
//!
//! All questions of a process to a host have one budget, whoever asks. A [`Budget`] is what an operator allows; of processes that
//! share their work each has the part of it that it has of the work, a request at once and one in a second at least. A host that refuses
//! requests since they are too many (429, or another answer with `Retry-After`) is asked more slowly from then on: as often as it
//! answered since the requests began, the wait that it asks for included. Half a minute without a refusal makes that a tenth faster,
//! and five minutes make it forgotten. No other host notices.

mod pace;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use url::Url;
use web::is_loopback;

use self::pace::Pace;
use super::endpoint::canonical_host;
use super::error::Error;
use super::gate::Gate;

/// How many requests are under way at once to one host, where nothing else is said.
const AT_ONCE: usize = 16;
/// How many requests go to one host in any second, where nothing else is said.
const A_SECOND: usize = 100;
/// The same of a host on this machine, which nobody else is kept waiting by.
const A_SECOND_HERE: usize = 10_000;
/// The most of both that can be allowed.
const MOST: usize = 10_000;
/// How many hosts are known before those without a request are forgotten.
const MAX_HOSTS: usize = 1024;
/// The wait after a refusal that does not say how long.
const UNSAID: Duration = Duration::from_secs(1);
/// How long a refusal is remembered.
const FORGOTTEN: Duration = Duration::from_secs(5 * 60);
/// How much of a text that is no budget is shown, in characters.
const MAX_SHOWN: usize = 100;

/// What may be asked of one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Requests under way at once.
    pub at_once: usize,
    /// Requests in any second.
    pub a_second: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { at_once: AT_ONCE, a_second: A_SECOND }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.at_once, self.a_second)
    }
}

impl Budget {
    /// The part of it for one of several processes.
    fn part(self, Part { ours, of }: Part) -> Self {
        let part = |number: usize| (number * ours / of).max(1);
        Self { at_once: part(self.at_once), a_second: part(self.a_second) }
    }

    fn parse(text: &str) -> Option<Self> {
        let (at_once, a_second) = text.split_once(':')?;
        let number = |text: &str| text.parse().ok().filter(|number| (1..=MOST).contains(number));
        Some(Self { at_once: number(at_once)?, a_second: number(a_second)? })
    }
}

/// How a host is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostPace {
    /// Requests under way at once, of this process.
    pub at_once: usize,
    /// Requests in any second, of this process.
    pub a_second: usize,
    /// From one request to the next, where the host has refused some and is asked more slowly since.
    pub step: Option<Duration>,
    /// For how long nothing is asked.
    pub held: Option<Duration>,
}

/// The budgets of all hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Budgets {
    /// Where somebody has said something of all hosts.
    usual: Option<Budget>,
    hosts: BTreeMap<String, Budget>,
}

impl Budgets {
    /// The environment variable that names them.
    pub const VARIABLE: &str = "TAGWRIGHT_REGISTRY_BUDGET";

    /// The same budget for each host.
    #[must_use]
    pub fn of_each(usual: Budget) -> Self {
        Self { usual: Some(usual), hosts: BTreeMap::new() }
    }

    /// Reads `AT_ONCE:A_SECOND` for all hosts, and `HOST=AT_ONCE:A_SECOND` for some, with blanks or commas between them:
    /// `8:20,docker.io=2:5`.
    ///
    /// # Errors
    /// A part has another form, or a number is not from 1 to 10000.
    ///
    /// ```
    /// use registry::{Budget, Budgets};
    ///
    /// let budgets = Budgets::parse("8:20,docker.io=2:5")?;
    /// assert_eq!(budgets.of("ghcr.io"), Budget { at_once: 8, a_second: 20 });
    /// assert_eq!(budgets.of("index.docker.io"), Budget { at_once: 2, a_second: 5 });
    /// assert_eq!(Budgets::default().of("localhost:5000"), Budget { at_once: 16, a_second: 10_000 });
    /// assert!(Budgets::parse("0:5").is_err());
    /// # Ok::<(), registry::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut budgets = Self::default();
        for part in text.split([',', ' ', '\t', '\n']).filter(|part| !part.is_empty()) {
            let (host, budget) = part.rsplit_once('=').map_or((None, part), |(host, budget)| (Some(host), budget));
            let wrong = || Error::Budget { text: web::words::one_line(part, MAX_SHOWN) };
            let budget = Budget::parse(budget).ok_or_else(wrong)?;
            match host {
                Some("") => return Err(wrong()),
                Some(host) => drop(budgets.hosts.insert(canonical_host(host), budget)),
                None => budgets.usual = Some(budget),
            }
        }
        Ok(budgets)
    }

    /// Returns the budget of a host, an authority.
    #[must_use]
    pub fn of(&self, authority: &str) -> Budget {
        self.hosts.get(&canonical_host(authority)).copied().or(self.usual).unwrap_or_else(|| unsaid(authority))
    }

    /// Returns the most requests that go to any host at once.
    pub(crate) fn most_at_once(&self) -> usize {
        let usual = self.usual.unwrap_or_default();
        self.hosts.values().chain([&usual]).map(|budget| budget.at_once).fold(1, usize::max)
    }
}

/// The budget of a host that nobody has said anything of.
fn unsaid(authority: &str) -> Budget {
    let is_here = Url::parse(&format!("https://{authority}/")).is_ok_and(|url| is_loopback(&url));
    if is_here { Budget { a_second: A_SECOND_HERE, ..Budget::default() } } else { Budget::default() }
}

/// How much of a budget is this process's.
#[derive(Debug, Clone, Copy)]
struct Part {
    ours: usize,
    of: usize,
}

/// The hosts, and what is under way to each.
#[derive(Debug)]
pub(crate) struct Hosts {
    budgets: Budgets,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    hosts: HashMap<String, Arc<Host>>,
    part: Part,
}

impl Hosts {
    pub(crate) fn new(budgets: Budgets) -> Self {
        Self { budgets, known: Mutex::new(Known { hosts: HashMap::new(), part: Part { ours: 1, of: 1 } }) }
    }

    /// Takes a part of all budgets, where the rest is for others.
    pub(crate) fn take_part(&self, ours: usize, of: usize) {
        let mut known = self.known();
        known.part = Part { ours: ours.min(of), of: of.max(1) };
        known.hosts.iter().for_each(|(authority, host)| host.resize(self.budgets.of(authority).part(known.part)));
    }

    /// How a host would be asked of which nothing is known.
    pub(crate) fn pace(&self, authority: &str) -> HostPace {
        let Budget { at_once, a_second } = self.budgets.of(authority).part(self.known().part);
        HostPace { at_once, a_second, step: None, held: None }
    }

    /// How all hosts are asked that are known.
    pub(crate) fn paces(&self) -> BTreeMap<String, HostPace> {
        let (known, now) = (self.known(), Instant::now());
        let pace = |(authority, host): (&String, &Arc<Host>)| {
            let Budget { at_once, a_second } = self.budgets.of(authority).part(known.part);
            let pace = host.pace();
            let step = pace.slow.filter(|slow| slow.refused + FORGOTTEN > now).map(|slow| slow.step);
            let held = pace.held.map(|until| until.saturating_duration_since(now)).filter(|left| !left.is_zero());
            (authority.clone(), HostPace { at_once, a_second, step, held })
        };
        known.hosts.iter().map(pace).collect()
    }

    /// Returns the host of this authority.
    pub(crate) fn of(&self, authority: &str) -> Arc<Host> {
        let mut known = self.known();
        if known.hosts.len() >= MAX_HOSTS {
            known.hosts.retain(|_, host| Arc::strong_count(host) > 1);
        }
        let new = Host::new(self.budgets.of(authority).part(known.part));
        Arc::clone(known.hosts.entry(authority.to_owned()).or_insert_with(|| Arc::new(new)))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One host.
#[derive(Debug)]
pub(crate) struct Host {
    gate: Arc<Gate>,
    pace: Mutex<Pace>,
}

/// A request that is under way. The next may begin when this is dropped.
#[derive(Debug)]
pub(crate) struct Entered {
    /// When it began.
    at: Instant,
    gate: Arc<Gate>,
    place: Option<OwnedSemaphorePermit>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.gate.leave(place);
        }
    }
}

impl Host {
    fn new(budget: Budget) -> Self {
        Self { gate: Arc::new(Gate::new(budget.at_once)), pace: Mutex::new(Pace::new(budget.a_second)) }
    }

    fn resize(&self, budget: Budget) {
        self.gate.resize(budget.at_once);
        self.pace().a_second = budget.a_second;
    }

    /// Waits until the next request may begin. What else has to be waited for, and whether that need not be tried, is asked
    /// again behind each wait.
    pub(crate) async fn enter<E>(&self, earliest: impl Fn(Instant) -> Result<Instant, E>) -> Result<Entered, E> {
        let place = self.gate.enter().await;
        let mut entered = Entered { at: Instant::now(), gate: Arc::clone(&self.gate), place };
        loop {
            let free = earliest(Instant::now())?;
            let turn = self.pace().reserve(Instant::now());
            // A timer has steps of a millisecond, and a moment that is past would wait for the next of them.
            let begin = turn.max(free);
            if begin > Instant::now() {
                sleep_until(begin).await;
            }
            // The host may have refused others meanwhile.
            let now = Instant::now();
            if earliest(now)? <= now && !self.pace().is_held(now) {
                entered.at = now;
                return Ok(entered);
            }
        }
    }

    /// Takes in that a request was answered, or refused for being one too many, perhaps with the wait that is asked for.
    pub(crate) fn answered(&self, entered: &Entered, refused: Option<Option<Duration>>) {
        let mut pace = self.pace();
        match refused {
            None => pace.granted(Instant::now()),
            Some(wait) => pace.refused(entered.at, wait.unwrap_or(UNSAID), Instant::now()),
        }
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
