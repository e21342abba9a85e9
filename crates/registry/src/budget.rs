//! How much is asked of one host: so many requests at once, so many in a second, and as fast as the host itself lets us.
//!
//! All questions of a process to a host have one budget, whoever asks. A [`Budget`] is what an operator allows; of processes that
//! share their work each has the part of it that it has of the work, a request at once and one in a second at least. A host that refuses
//! requests since they are too many (429, or another answer with `Retry-After`) is asked more slowly from then on: as often as it
//! answered since the requests began, the wait that it asks for included. Half a minute without a refusal makes that a tenth faster,
//! and five minutes make it forgotten. No other host notices.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use url::Url;
use web::is_loopback;

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
/// A host is asked no more slowly than this, whatever it refuses; longer waits it has to ask for.
const SLOWEST: Duration = Duration::from_secs(2);
/// The wait after a refusal that does not say how long.
const UNSAID: Duration = Duration::from_secs(1);
/// After so long without a request, those that come begin anew.
const IDLE: Duration = Duration::from_secs(1);
/// How long it takes until a host that refuses nothing is asked a tenth faster.
const FASTER: Duration = Duration::from_secs(30);
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

/// When the next requests to a host may begin.
#[derive(Debug)]
struct Pace {
    a_second: usize,
    /// When the last ones began, or will; no more than may in a second.
    begun: VecDeque<Instant>,
    /// How many were answered, and since when.
    granted: u32,
    since: Option<Instant>,
    slow: Option<Slow>,
    /// Nothing begins before.
    held: Option<Instant>,
}

/// What a host that refuses requests is asked at.
#[derive(Debug, Clone, Copy)]
struct Slow {
    /// From one request to the next.
    step: Duration,
    next: Instant,
    refused: Instant,
    changed: Instant,
}

impl Pace {
    fn new(a_second: usize) -> Self {
        Self { a_second, begun: VecDeque::new(), granted: 0, since: None, slow: None, held: None }
    }

    /// Returns when the next request may begin, which it is expected to do.
    fn reserve(&mut self, now: Instant) -> Instant {
        let last = self.begun.back().copied();
        if last.is_none_or(|last| last + IDLE < now) {
            (self.since, self.granted) = (Some(now), 0);
        }
        while self.begun.front().is_some_and(|first| *first + Duration::from_secs(1) <= now) {
            self.begun.pop_front();
        }
        let mut free = None;
        while self.begun.len() >= self.a_second {
            free = self.begun.pop_front().map(|first| first + Duration::from_secs(1));
        }
        self.relax(now);
        let slow = self.slow.map(|slow| slow.next);
        let at = [free, slow, self.held, last].into_iter().flatten().fold(now, Instant::max);
        if let Some(slow) = &mut self.slow {
            slow.next = at + slow.step;
        }
        self.begun.push_back(at);
        at
    }

    fn is_held(&self, now: Instant) -> bool {
        self.held.is_some_and(|until| until > now)
    }

    fn granted(&mut self, now: Instant) {
        self.since.get_or_insert(now);
        self.granted += 1;
    }

    /// Takes in a refusal of a request that began at a time. Those that began before the last one say nothing new but the wait.
    fn refused(&mut self, began: Instant, wait: Duration, now: Instant) {
        let end = now + wait;
        self.held = self.held.max(Some(end));
        if self.slow.is_some_and(|slow| began <= slow.refused) {
            return;
        }
        let lasted = end.saturating_duration_since(self.since.unwrap_or(now)).max(Duration::from_millis(1));
        let fastest = Duration::from_secs(1) / u32::try_from(self.a_second).unwrap_or(u32::MAX);
        let step = (lasted / self.granted.max(1)).clamp(fastest, SLOWEST);
        self.slow = Some(Slow { step, next: end, refused: now, changed: end });
        (self.since, self.granted) = (Some(end), 0);
        // Who waits for a turn that would come too soon takes another.
        self.begun.retain(|at| *at <= now);
    }

    fn relax(&mut self, now: Instant) {
        let Some(slow) = &mut self.slow else { return };
        if slow.changed + FASTER <= now {
            (slow.step, slow.changed) = (slow.step * 10 / 11, now);
        }
        if slow.refused + FORGOTTEN <= now {
            self.slow = None;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::RefCell;
    use std::convert::Infallible;
    use std::rc::Rc;

    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A host that lets so many requests through in a second, and as many at once; on refusal it asks to wait for a while.
    struct Throttle {
        rate: f64,
        most: f64,
        left: f64,
        at: Instant,
        says: Option<Duration>,
        served: Vec<Instant>,
        refused: usize,
    }

    impl Throttle {
        fn new(rate: f64, most: f64, says: Option<Duration>) -> Rc<RefCell<Self>> {
            let (at, served) = (Instant::now(), Vec::new());
            Rc::new(RefCell::new(Self { rate, most, left: most, at, says, served, refused: 0 }))
        }

        fn serve(&mut self) -> Option<Option<Duration>> {
            let now = Instant::now();
            self.left = (self.left + self.rate * (now - self.at).as_secs_f64()).min(self.most);
            self.at = now;
            if self.left < 1.0 {
                self.refused += 1;
                return Some(self.says);
            }
            self.left -= 1.0;
            self.served.push(now);
            None
        }
    }

    /// Asks until so many requests were answered, 32 at a time. Each request takes 20 ms.
    async fn ask(host: &Host, server: &Rc<RefCell<Throttle>>, count: usize) -> Duration {
        let start = Instant::now();
        let left = RefCell::new(count);
        let worker = || async {
            loop {
                match &mut *left.borrow_mut() {
                    0 => return,
                    left => *left -= 1,
                }
                loop {
                    let entered = host.enter(Ok::<_, Infallible>).await.unwrap();
                    sleep(SECOND / 100).await;
                    let refused = server.borrow_mut().serve();
                    sleep(SECOND / 100).await;
                    host.answered(&entered, refused);
                    drop(entered);
                    match refused {
                        None => break,
                        Some(wait) => sleep(wait.unwrap_or(SECOND)).await,
                    }
                }
            }
        };
        let workers: Vec<_> = (0..32).map(|_| worker()).collect();
        futures(workers).await;
        start.elapsed()
    }

    /// Drives futures that borrow to their end.
    async fn futures<F: Future<Output = ()>>(all: Vec<F>) {
        let mut all: Vec<_> = all.into_iter().map(Box::pin).collect();
        std::future::poll_fn(move |context| {
            all.retain_mut(|one| one.as_mut().poll(context).is_pending());
            if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }

    fn most_in_a_second(times: &[Instant]) -> usize {
        let within = |from: &Instant| times.iter().filter(|at| (*from..*from + SECOND).contains(at)).count();
        times.iter().map(within).max().unwrap_or(0)
    }

    /// What a registry that gives 10 a second dictates: 1,000 requests take 99 s, its first 10 being free.
    #[tokio::test(start_paused = true)]
    async fn a_host_that_throttles_is_asked_as_fast_as_it_lets_us() {
        for says in [Some(SECOND), None] {
            let server = Throttle::new(10.0, 10.0, says);
            let took = ask(&Host::new(Budget::default()), &server, 1000).await;
            let seen = server.borrow();
            assert!((99.0..=109.0).contains(&took.as_secs_f64()), "{says:?}: {took:?}, {} refused", seen.refused);
            assert!(seen.refused < 60, "{says:?}: {}", seen.refused);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn how_a_host_is_asked_can_be_looked_at() {
        let hosts = Hosts::new(Budgets::parse("8:20").unwrap());
        let host = hosts.of("ghcr.io");
        let free = HostPace { at_once: 8, a_second: 20, step: None, held: None };
        assert_eq!(hosts.paces()["ghcr.io"], free);
        let entered = host.enter(Ok::<_, Infallible>).await.unwrap();
        host.answered(&entered, Some(Some(SECOND)));
        let pace = hosts.paces()["ghcr.io"];
        assert_eq!((pace.held, pace.step), (Some(SECOND), Some(SECOND)));
        hosts.take_part(1, 4);
        assert_eq!((hosts.paces()["ghcr.io"].at_once, hosts.paces()["ghcr.io"].a_second), (2, 5));
        hosts.take_part(1, 1);
        tokio::time::advance(FORGOTTEN).await;
        assert_eq!(hosts.paces()["ghcr.io"], free);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_budget_in_any_second() {
        for a_second in [1, 7, 100] {
            let server = Throttle::new(1e9, 1e9, None);
            let count = 5 * a_second + 3;
            let took = ask(&Host::new(Budget { at_once: 1000, a_second }), &server, count).await;
            assert_eq!(most_in_a_second(&server.borrow().served), a_second);
            let least = (count - 1) / a_second;
            assert_eq!(took.as_secs_f64() as usize, least, "{a_second}: {took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_budget_at_once() {
        let host = Host::new(Budget { at_once: 2, a_second: 1000 });
        let enter = || host.enter(Ok::<_, Infallible>);
        let (first, _second) = (enter().await.unwrap(), enter().await.unwrap());
        assert!(tokio::time::timeout(60 * SECOND, enter()).await.is_err());
        drop(first);
        enter().await.unwrap();
    }

    /// Of processes that share their work each asks as much as its part is, as soon as that changes.
    #[tokio::test(start_paused = true)]
    async fn a_part_of_the_budget() {
        let hosts = Hosts::new(Budgets::of_each(Budget { at_once: 16, a_second: 100 }));
        let host = hosts.of("r.io");
        let enter = || host.enter(Ok::<_, Infallible>);
        let mut under_way = Vec::new();
        for _ in 0..16 {
            under_way.push(enter().await.unwrap());
        }
        hosts.take_part(13, 64);
        let full = async || tokio::time::timeout(60 * SECOND, enter()).await.is_err();
        for _ in 0..13 {
            assert!(full().await);
            drop(under_way.pop());
        }
        assert!(full().await, "three are under way, which is all");
        drop(under_way.pop());
        under_way.push(enter().await.unwrap());
        hosts.take_part(64, 64);
        for _ in 0..13 {
            under_way.push(enter().await.unwrap());
        }
        assert!(full().await, "sixteen as before");
        drop(under_way);

        hosts.take_part(13, 64);
        for authority in ["r.io", "new.io"] {
            let server = Throttle::new(1e9, 1e9, None);
            sleep(2 * SECOND).await;
            ask(&hosts.of(authority), &server, 100).await;
            assert_eq!(most_in_a_second(&server.borrow().served), 20, "{authority}");
        }
        hosts.take_part(0, 64);
        assert!(enter().await.is_ok(), "one at least");
    }

    /// A host that was busy once is not slow for ever.
    #[tokio::test(start_paused = true)]
    async fn what_was_refused_is_forgotten() {
        let host = Host::new(Budget::default());
        let server = Throttle::new(1.0, 1.0, None);
        ask(&host, &server, 5).await;
        assert!(server.borrow().refused > 0);
        let server = Throttle::new(1e9, 1e9, None);
        assert!(ask(&host, &server, 20).await > 5 * SECOND, "still slow");
        sleep(FORGOTTEN).await;
        assert!(ask(&host, &server, 20).await < SECOND, "as fast as before");
    }

    /// Who waits for a turn hears that there is no need to.
    #[tokio::test(start_paused = true)]
    async fn who_waits_may_give_up() {
        let host = Host::new(Budget { at_once: 1, a_second: 1 });
        drop(host.enter(Ok::<_, ()>).await.unwrap());
        let start = Instant::now();
        let over = |now: Instant| if now > start { Err(now - start) } else { Ok(now) };
        assert_eq!(host.enter(over).await.unwrap_err(), SECOND);
    }

    #[test]
    fn budgets_of_hosts() {
        let budgets = Budgets::parse("8:20, docker.io=2:5\tR.example.com:5000=1:1").unwrap();
        let shown = |host: &str| budgets.of(host).to_string();
        assert_eq!(shown("ghcr.io"), "8:20");
        for hub in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
            assert_eq!(shown(hub), "2:5");
        }
        assert_eq!(shown("r.example.com:5000"), "1:1");
        assert_eq!(budgets.most_at_once(), 8);
        assert_eq!(Budgets::parse("").unwrap(), Budgets::default());
        assert_eq!(Budgets::default().of("a").to_string(), "16:100");
        for wrong in ["8", "8:", "0:1", "1:0", "10001:1", "1:10001", "a=", "=1:1", "a:1:1", "-1:1", "1:1/s"] {
            assert!(matches!(Budgets::parse(wrong), Err(Error::Budget { .. })), "{wrong}");
        }
    }
}
