//! Hosts with budgets, on a clock that stands until somebody waits.

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
