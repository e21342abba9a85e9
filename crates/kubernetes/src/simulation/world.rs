//! A cluster in which time, network and processes are made up, from a seed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::lease::{Answer, Clock, Machine, Now, Order, Proof, Ticket};
use crate::shards::{Holds, Shard, Share};
use crate::simulation::server::Server;

/// Microseconds of the one true clock.
pub(crate) type Time = u64;

pub(crate) const SECOND: Time = 1_000_000;

/// SplitMix64.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Runs,
    Frozen,
    /// Killed, or gone by itself.
    Gone,
}

/// One process: a machine, its clock, and work that asks for proofs.
pub(crate) struct Process<M> {
    pub(crate) machine: M,
    pub(crate) state: State,
    holds: Holds,
    share: watch::Receiver<Arc<Share>>,
    clock: Clock,
    /// What its clock shows after a second, in thousandths.
    rate: u64,
    cut: Option<(Cut, Time)>,
    waits_for: BTreeSet<Ticket>,
    inbox: Vec<(Ticket, Answer)>,
    work: Vec<(Time, Shard, Proof)>,
    wake: Time,
    steps: u64,
}

impl<M: Machine> Process<M> {
    /// Whether it would do something to a shard, if it were asked now.
    pub(crate) fn acts(&self, shard: Shard) -> bool {
        self.state != State::Gone
            && (self.begins(shard) || self.work.iter().any(|(_, on, proof)| *on == shard && proof.is_held()))
    }

    /// How long it holds what it holds, by its clock.
    pub(crate) fn left(&self) -> Time {
        self.machine.until().saturating_sub(self.clock.now()).as_micros().try_into().unwrap()
    }

    /// Whether it would begin something.
    pub(crate) fn begins(&self, shard: Shard) -> bool {
        self.state != State::Gone && self.share.borrow().holds(shard)
    }
}

enum Event {
    /// A request has come to the server; the answer takes so long, or is lost.
    Arrives {
        process: usize,
        order: Order,
        back: Option<Time>,
    },
    Answered {
        process: usize,
        ticket: Ticket,
        answer: Answer,
    },
    /// Something that a process waits for is due.
    Wakes {
        process: usize,
        at: Time,
    },
    Thaws {
        process: usize,
    },
}

/// How a process is cut off: nobody answers, or every connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Silent,
    Refused,
}

/// How good the network is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Network {
    /// Of a hundred requests, how many never arrive, and how many answers do not.
    pub(crate) lost: u64,
    /// Of a hundred ways, how many take up to [`Network::long`] instead of 20 ms.
    pub(crate) slow: u64,
    pub(crate) long: Time,
}

impl Network {
    pub(crate) const GOOD: Network = Network { lost: 0, slow: 0, long: 0 };
}

pub(crate) struct World<M> {
    pub(crate) now: Time,
    hands: Arc<AtomicU64>,
    pub(crate) chance: Chance,
    pub(crate) server: Server,
    pub(crate) processes: Vec<Process<M>>,
    pub(crate) network: Network,
    /// How far clocks are off, in thousandths.
    pub(crate) drift: u64,
    /// How long work takes at most; none is done at 0.
    pub(crate) work: Time,
    shards: u16,
    events: BinaryHeap<Reverse<(Time, u64)>>,
    what: BTreeMap<u64, Event>,
    steps: u64,
}

impl<M: Machine> World<M> {
    pub(crate) fn new(seed: u64, shards: u16) -> World<M> {
        World {
            now: 0,
            hands: Arc::new(AtomicU64::new(0)),
            chance: Chance::new(seed),
            server: Server::default(),
            processes: Vec::new(),
            network: Network::GOOD,
            drift: 0,
            work: 0,
            shards,
            events: BinaryHeap::new(),
            what: BTreeMap::new(),
            steps: 0,
        }
    }

    pub(crate) fn start(&mut self, machine: M) -> usize {
        let rate = 1_000 - self.drift + self.chance.below(2 * self.drift + 1);
        let offset = self.chance.below(1_000_000) * SECOND;
        let hands = Arc::clone(&self.hands);
        let clock = Clock::new(move || Duration::from_micros(offset + hands.load(Ordering::Relaxed) * rate / 1_000));
        let (sender, share) = watch::channel(Arc::new(Share::nothing()));
        self.processes.push(Process {
            machine,
            state: State::Runs,
            holds: Holds::new(&clock, sender),
            share,
            clock,
            rate,
            cut: None,
            waits_for: BTreeSet::new(),
            inbox: Vec::new(),
            work: Vec::new(),
            wake: Time::MAX,
            steps: 0,
        });
        let process = self.processes.len() - 1;
        self.step(process);
        process
    }

    /// Which processes are there.
    pub(crate) fn running(&self) -> Vec<usize> {
        let there = self.processes.iter().enumerate().filter(|(_, process)| process.state != State::Gone);
        there.map(|(number, _)| number).collect()
    }

    pub(crate) fn kill(&mut self, process: usize) {
        self.processes[process].state = State::Gone;
        self.processes[process].work.clear();
    }

    pub(crate) fn leave(&mut self, process: usize) {
        self.processes[process].machine.leave();
        self.step(process);
    }

    pub(crate) fn cut(&mut self, process: usize, cut: Cut, span: Time) {
        self.processes[process].cut = Some((cut, self.now + span));
    }

    pub(crate) fn freeze(&mut self, process: usize, span: Time) {
        if self.processes[process].state == State::Runs {
            self.processes[process].state = State::Frozen;
            self.at(self.now + span, Event::Thaws { process });
        }
    }

    /// Lets time pass.
    pub(crate) fn run_until(&mut self, end: Time) {
        while let Some(Reverse((at, number))) = self.events.peek().copied().filter(|Reverse((at, _))| *at <= end) {
            self.events.pop();
            self.set(at);
            if let Some(event) = self.what.remove(&number) {
                self.happen(event);
            }
        }
        self.set(end);
    }

    fn set(&mut self, now: Time) {
        self.now = self.now.max(now);
        self.hands.store(self.now, Ordering::Relaxed);
    }

    fn at(&mut self, at: Time, event: Event) {
        self.steps += 1;
        self.events.push(Reverse((at, self.steps)));
        self.what.insert(self.steps, event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrives { process, order, back } => {
                let answer = self.server.apply(order.request);
                if let Some(back) = back {
                    self.at(self.now + back, Event::Answered { process, ticket: order.ticket, answer });
                }
            }
            Event::Answered { process, ticket, answer } => {
                self.processes[process].inbox.push((ticket, answer));
                self.step(process);
            }
            Event::Wakes { process, at } if self.processes[process].wake == at => self.step(process),
            Event::Wakes { .. } => {}
            Event::Thaws { process } => {
                if self.processes[process].state == State::Frozen {
                    self.processes[process].state = State::Runs;
                    self.step(process);
                }
            }
        }
    }

    /// What the task around a machine does, each time that something has happened.
    fn step(&mut self, number: usize) {
        let process = &mut self.processes[number];
        if process.state != State::Runs {
            return;
        }
        process.steps += 1;
        assert!(process.steps < 200_000, "{number} goes round and round at {} ms", self.now / 1_000);
        let now = Now { local: process.clock.now(), wall: Timestamp::UNIX_EPOCH };
        for (ticket, answer) in std::mem::take(&mut process.inbox) {
            if process.waits_for.remove(&ticket) {
                process.machine.answer(ticket, answer, now);
            }
        }
        process.work.retain(|(until, ..)| *until > self.now);
        process.holds.follow(&mut process.machine, now.local);
        let orders = process.machine.poll(now);
        process.holds.follow(&mut process.machine, now.local);
        if process.machine.has_left() {
            self.kill(number);
            return;
        }
        for order in orders {
            self.send(number, order);
        }
        self.begin_work(number);
        self.set_alarm(number);
        self.check(number);
    }

    fn send(&mut self, number: usize, order: Order) {
        let (there, back) = (self.way(), self.way());
        let back = Some(back).filter(|_| !self.chance.percent(self.network.lost));
        let lost = self.chance.percent(self.network.lost);
        let process = &mut self.processes[number];
        process.waits_for.insert(order.ticket);
        let patience = u64::try_from(order.patience.as_micros()).unwrap() * 1_000 / process.rate;
        let cut = process.cut.filter(|(_, until)| *until > self.now).map(|(cut, _)| cut);
        let unknown =
            Event::Answered { process: number, ticket: order.ticket, answer: Answer::Unknown { after: None } };
        let waits = if cut == Some(Cut::Refused) { 1_000 } else { patience };
        self.at(self.now + waits, unknown);
        if cut.is_none() && !lost {
            self.at(self.now + there, Event::Arrives { process: number, order, back });
        }
    }

    fn way(&mut self) -> Time {
        match self.chance.percent(self.network.slow) {
            true => self.chance.below(self.network.long),
            false => 1_000 + self.chance.below(20_000),
        }
    }

    fn begin_work(&mut self, number: usize) {
        if self.work == 0 || self.processes[number].work.len() > 2 {
            return;
        }
        let shard = Shard::all(self.shards).nth(self.chance.below(self.shards.into()) as usize).unwrap();
        let until = self.now + 1 + self.chance.below(self.work);
        let proof = self.processes[number].share.borrow().proof(shard);
        if let Some(proof) = proof {
            self.processes[number].work.push((until, shard, proof));
        }
    }

    fn set_alarm(&mut self, number: usize) {
        let process = &mut self.processes[number];
        let now = process.clock.now();
        let until = Some(process.machine.until()).filter(|until| *until > now);
        let machine = process.machine.wake().into_iter().chain(until).min().map(|at| {
            let local = u64::try_from(at.saturating_sub(now).as_micros()).unwrap();
            self.now + local * 1_000 / process.rate + 1
        });
        let work = process.work.iter().map(|(until, ..)| *until).min();
        if let Some(at) = machine.into_iter().chain(work).min() {
            process.wake = at;
            self.at(at, Event::Wakes { process: number, at });
        }
    }

    /// Panics if another would act where this process does.
    fn check(&self, number: usize) {
        let others: Vec<_> = self.running().into_iter().filter(|other| *other != number).collect();
        for shard in Shard::all(self.shards).filter(|shard| self.processes[number].acts(*shard)) {
            if let Some(other) = others.iter().find(|other| self.processes[**other].acts(shard)) {
                panic!("{number} and {other} act on shard {shard} at {} ms", self.now / 1_000);
            }
        }
    }
}
