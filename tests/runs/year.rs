//! A year of pushes, and what would have run when: a digest that waits from when the bot saw it, beside the rule of tools that
//! believe what an image says of its own age (`created`).
//!
//! The table is `fixtures/guards/year.txt`. A day is a poll; `minimumAge` is three days. Each image is told by the day on which it
//! was pushed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tagwright::observe;
use tagwright::run::PolicyReport;
use tagwright_core::automation::Automation;

use crate::world::Bot;

const APP: &str = "team/app";
const DAYS: usize = 365;
const AGE: i64 = 3;
const MAIN: &str = "filterTags: {pattern: ^main$}, policy: {alphabetical: {}}, pin: digest, minimumAge: 72h";
const VERSIONS: &str = "policy: {semver: {range: 1.x}}, pin: digest, minimumAge: 72h";
const TAGS_ALONE: &str = "policy: {semver: {range: 1.x}}, minimumAge: 72h";

/// An image that is in the registry.
#[derive(Clone)]
struct Image {
    /// The day on which it was pushed.
    day: usize,
    /// The day on which it says that it was made.
    claims: i64,
}

/// What one day came to.
struct Day {
    ours: Option<Image>,
    peers: Option<Image>,
}

/// A registry and two bots, of which one believes images.
struct Year {
    bot: Bot,
    start: Timestamp,
    automations: Vec<Arc<Automation>>,
    /// All images, by digest.
    images: BTreeMap<String, Image>,
    /// What each tag points to, in the order of versions.
    tags: BTreeMap<(u32, u32), (String, Image)>,
    days: Vec<Day>,
}

impl Year {
    async fn begin(image: &str) -> Self {
        let mut bot = Bot::start(&[]).await;
        bot.now = "2026-01-01T00:00:00Z".parse().unwrap();
        let automations = bot.configuration(image);
        let start = bot.now;
        Self { bot, start, automations, images: BTreeMap::new(), tags: BTreeMap::new(), days: Vec::new() }
    }

    /// Somebody pushes an image that says that it was made on a day.
    fn push(&mut self, version: (u32, u32), tag: &str, claims: i64) {
        let day = self.days.len();
        let created = (self.start + SignedDuration::from_hours(24 * claims)).to_string();
        let config = json!({"os": "linux", "architecture": "amd64", "created": created,
            "config": {"Labels": {"pushed": day.to_string()}}});
        let mut digest = String::new();
        self.bot.registry.change(|world| digest = world.push(APP, tag, &config));
        let image = Image { day, claims };
        self.images.insert(digest, image.clone());
        self.tags.insert(version, (tag.to_owned(), image));
    }

    /// The day ends with a poll of each bot, of those tags that are listed.
    async fn poll(&mut self, is_listed: impl Fn(&str) -> bool) {
        let (day, tags) = (self.days.len(), &self.tags);
        let listed: Vec<String> = tags.values().map(|(tag, _)| tag.clone()).filter(|tag| is_listed(tag)).collect();
        self.bot.registry.change(|world| drop(world.repositories.insert(APP.to_owned(), listed)));
        self.bot.now = self.start + SignedDuration::from_hours(24 * i64::try_from(day).unwrap());
        let report = observe::poll_all(self.bot.context(), &self.automations).await.policies.remove(0);
        let ours = self.selected(&report);
        // The best tag that says that it is old enough, as it is now.
        let is_old = |image: &&Image| image.claims + AGE <= i64::try_from(day).unwrap();
        let listed = self.tags.values().rev().filter(|(tag, _)| is_listed(tag));
        let peers = listed.map(|(_, image)| image).find(is_old).cloned();
        // They have what they had where nothing is better.
        let before = self.days.last().and_then(|before| before.peers.clone());
        self.days.push(Day { ours, peers: peers.or(before) });
    }

    fn selected(&self, report: &PolicyReport) -> Option<Image> {
        let before = self.days.last().and_then(|before| before.ours.clone());
        let Ok(reference) = &report.selection else { return before };
        match &reference.digest {
            Some(digest) => Some(self.images[digest.as_str()].clone()),
            None => self
                .tags
                .values()
                .find(|(tag, _)| tag == reference.tag.as_ref().unwrap().as_str())
                .map(|it| it.1.clone()),
        }
    }

    /// How a rule did: what it ran on some days, and what of that should not have been.
    fn row(&self, name: &str, rule: impl Fn(&Day) -> Option<&Image>) -> String {
        let mut row = format!("  {name:<28}");
        for day in [3, 10, 30, 100, 101, 103, 200, 300, 364] {
            let ran = rule(&self.days[day]).map_or_else(|| "-".to_owned(), |image| image.day.to_string());
            let _ = write!(row, "{ran:>5}");
        }
        let days = || self.days.iter().enumerate();
        let young = days().filter(|(day, it)| rule(it).is_some_and(|image| image.day + 3 > *day)).count();
        let behind = days().skip(3).map(|(day, it)| day - rule(it).map_or(0, |image| image.day)).max().unwrap();
        let back = self.days.windows(2).filter(|days| match (rule(&days[0]), rule(&days[1])) {
            (Some(before), Some(after)) => after.day < before.day,
            _ => false,
        });
        format!("{row}{young:>8}{behind:>8}{:>7}\n", back.count())
    }

    fn table(&self, title: &str) -> String {
        let ours = self.row("seen by the bot", |day| day.ours.as_ref());
        let peers = self.row("created, as images say", |day| day.peers.as_ref());
        format!("{title}\n{ours}{peers}")
    }
}

#[tokio::test]
async fn a_year_of_pushes() {
    let mut tables = String::from(
        "# The image that is selected on a day, told by the day of its push; days with one younger than three days, the most days that\n\
         # it was behind, and how often it went back, which a field does not. Made by tests/runs/year.rs.\n\
         # day                            3   10   30  100  101  103  200  300  364   young  behind   back\n",
    );
    let all = |_: &str| true;

    let mut year = Year::begin(MAIN).await;
    for day in 0..DAYS {
        year.push((0, 0), "main", i64::try_from(day).unwrap());
        year.poll(all).await;
    }
    tables += &year.table("one tag, pushed again every day");

    let mut year = Year::begin(VERSIONS).await;
    for day in 0..DAYS {
        year.push((u32::try_from(day).unwrap(), 0), &format!("1.{day}.0"), i64::try_from(day).unwrap());
        year.poll(all).await;
    }
    tables += &year.table("a release every day");

    let mut year = Year::begin(VERSIONS).await;
    for day in 0..DAYS {
        year.push((u32::try_from(day).unwrap(), 0), &format!("1.{day}.0"), -20_000);
        year.poll(all).await;
    }
    tables += &year.table("a release every day, built reproducibly: it says 1970");

    let mut year = Year::begin(VERSIONS).await;
    year.push((0, 0), "1.0.0", 0);
    for day in 0..DAYS {
        if day == 100 {
            year.push((1, 0), "1.1.0", -1000);
        }
        year.poll(all).await;
    }
    tables += &year.table("a bad release on day 100 that says that it is old");

    let mut year = Year::begin(VERSIONS).await;
    year.push((0, 0), "1.0.0", 0);
    for day in 0..DAYS {
        if day == 100 {
            year.push((0, 0), "1.0.0", -1000);
        }
        year.poll(all).await;
    }
    tables += &year.table("a release that is pushed again on day 100, and says that it is old");

    for (image, title) in [
        (VERSIONS, "a release every day, in a registry that forgets the newest ten for two days of five"),
        (TAGS_ALONE, "the same, without digests"),
    ] {
        let mut year = Year::begin(image).await;
        for day in 0..DAYS {
            year.push((u32::try_from(day).unwrap(), 0), &format!("1.{day}.0"), i64::try_from(day).unwrap());
            let is_forgotten = |tag: &str| {
                let number: usize = tag.split('.').nth(1).unwrap().parse().unwrap();
                day % 5 >= 3 && number + 10 > day && number > 0
            };
            year.poll(|tag| !is_forgotten(tag)).await;
        }
        tables += &year.table(title);
    }

    let path = "fixtures/guards/year.txt";
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(path, &tables).unwrap();
    }
    assert_eq!(tables, std::fs::read_to_string(path).unwrap_or_default());
}
