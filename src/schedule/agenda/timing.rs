//! When one thing is due by its schedule, by what it waits for, and by its failures.

use std::time::Duration;

use jiff::Timestamp;
use tagwright_core::automation::Schedule;

use super::moment::Moment;
use super::spread::Spread;
use super::{
    CONFIG_RECHECK, CRON_SPREAD, Ending, FIRST_RETRY, LONGEST_RETRY, MAX_RETRY_AFTER, MIN_WAIT, STRETCH, TOLERANCE,
};
use crate::failure::Kind;

/// When one thing is due by its schedule, by what it waits for, and by its failures.
#[derive(Debug)]
pub(super) struct Timing {
    /// None for what is never due by itself.
    schedule: Option<Schedule>,
    spread: Spread,
    regular: Option<Regular>,
    /// A point in time that the last attempt found something to wait for.
    until: Option<Timestamp>,
    failures: u32,
    retry: Option<Retry>,
}

/// The next point of the schedule.
#[derive(Debug, Clone, Copy)]
enum Regular {
    Elapsed(Duration),
    Clock(Timestamp),
}

/// The attempt after a failure, which replaces the schedule until one goes well.
#[derive(Debug, Clone, Copy)]
struct Retry {
    at: Duration,
    /// Nothing is tried before, unless somebody asks for it.
    firm: bool,
    /// Nothing is tried before, whoever asks for it: the other side said so.
    asked_for: bool,
}

impl Timing {
    pub(super) fn new(schedule: Option<Schedule>, spread: Spread, now: Moment) -> Self {
        let mut timing = Self { schedule, spread, regular: None, until: None, failures: 0, retry: None };
        timing.regular = timing.point(now.elapsed, now.time);
        timing
    }

    /// Takes a new schedule; what failed is no reason any more to wait.
    pub(super) fn configure(&mut self, schedule: Option<Schedule>, now: Moment) {
        *self = Self { until: self.until, ..Self::new(schedule, self.spread, now) };
    }

    /// What its points and waits come from.
    pub(super) fn spread(&self) -> Spread {
        self.spread
    }

    /// When it is due, if nobody asks for it before.
    pub(super) fn due(&self, now: Moment) -> Option<Duration> {
        if let Some(retry) = self.retry {
            return Some(retry.at);
        }
        let regular = self.regular.map(|regular| match regular {
            Regular::Elapsed(elapsed) => elapsed,
            Regular::Clock(time) => now.elapsed_at(time),
        });
        let until = self.until.map(|time| now.elapsed_at(time));
        regular.into_iter().chain(until).min()
    }

    /// Before when nothing is tried although something new is there.
    pub(super) fn not_before(&self) -> Option<Duration> {
        self.retry.filter(|retry| retry.firm).map(|retry| retry.at)
    }

    /// Before when nothing is tried although somebody asks for it.
    pub(super) fn forbidden_before(&self) -> Option<Duration> {
        self.retry.filter(|retry| retry.asked_for).map(|retry| retry.at)
    }

    /// Goes on to the next point of the schedule, as an attempt begins. A point that is further away stays as it is.
    pub(super) fn begin(&mut self, now: Moment) {
        let soon = now.elapsed + TOLERANCE;
        self.until = self.until.filter(|time| now.elapsed_at(*time) > now.elapsed);
        self.regular = match self.regular {
            Some(Regular::Elapsed(at)) if at <= soon => self.point(at.max(now.elapsed), now.time),
            Some(Regular::Clock(at)) if now.elapsed_at(at) <= soon => self.point(now.elapsed, at.max(now.time)),
            other => other,
        };
    }

    /// Takes in how an attempt ended, and what it found to wait for.
    pub(super) fn end(&mut self, ending: Ending, until: Option<Timestamp>, now: Moment) {
        // A time that has come already would be due again and again.
        let earliest = now.time_at(now.elapsed + MIN_WAIT);
        self.until = until.map(|time| time.max(earliest));
        self.retry = None;
        let Ending::Failed { kind, retry_after } = ending else {
            self.failures = 0;
            return;
        };
        self.failures = self.failures.saturating_add(1);
        let retry_after = retry_after.map(|wait| wait.min(MAX_RETRY_AFTER));
        let wait = match kind {
            Kind::Transient => Some(self.backoff().max(retry_after.unwrap_or_default())),
            Kind::Config => Some(self.interval().unwrap_or_default().max(CONFIG_RECHECK)),
            Kind::Denied | Kind::Internal => None,
        };
        let firm = kind == Kind::Transient;
        let asked_for = retry_after.is_some();
        self.retry = wait.map(|wait| Retry { at: now.elapsed + wait, firm, asked_for });
    }

    /// Puts off the next point of the interval, so that it is a share of how long nothing new has come, at most the longest.
    /// It stays on the grid of the interval.
    pub(super) fn stretch(&mut self, longest: Duration, quiet: Duration, now: Moment) {
        let Some(interval) = self.interval() else { return };
        let wanted = (quiet / STRETCH).min(longest).max(interval);
        self.regular = Some(Regular::Elapsed(self.spread.next(interval, now.elapsed + (wanted - interval))));
    }

    /// Finds the next point of a cron schedule anew, after the wall clock went back.
    pub(super) fn rewind(&mut self, now: Moment) {
        if let Some(Regular::Clock(_)) = self.regular {
            self.regular = self.point(now.elapsed, now.time);
        }
    }

    /// The first point of the schedule after the given ones.
    fn point(&self, after: Duration, time: Timestamp) -> Option<Regular> {
        match self.schedule.as_ref()? {
            Schedule::Every(interval) => Some(Regular::Elapsed(self.spread.next(*interval, after))),
            Schedule::Cron(cron) => {
                let spread = self.spread.share(CRON_SPREAD);
                let before = time.checked_sub(spread).unwrap_or(time);
                let next = cron.next_after(before)?;
                Some(Regular::Clock(next.checked_add(spread).unwrap_or(next)))
            }
        }
    }

    fn interval(&self) -> Option<Duration> {
        match self.schedule {
            Some(Schedule::Every(interval)) => Some(interval),
            _ => None,
        }
    }

    /// The wait after a failure: twice as long each time, between half and all of it, never longer than the interval.
    fn backoff(&self) -> Duration {
        let longest = self.interval().map_or(LONGEST_RETRY, |interval| interval.min(LONGEST_RETRY));
        let doublings = (self.failures - 1).min(16);
        let wait = FIRST_RETRY.saturating_mul(1 << doublings).min(longest);
        wait / 2 + self.spread.roll(self.failures, wait / 2)
    }
}
