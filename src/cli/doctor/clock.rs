//! Whether the clock is right, by the `Date` that a registry or a forge puts on its answers.
//!
//! Schedules, ages of tags and times of commits follow the clock; tokens that are signed or expire do not work with a wrong one.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::DATE;
use url::Url;
use web::is_loopback;

use crate::config::Configuration;
use crate::report::age;
use crate::wire::doctor::{Check, State};

const CHECK: &str = "clock";

/// How far the clock may be off. Forges give signed tokens a minute.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(60);

/// How many servers are asked before it is given up, and how long each may take.
const MAX_ASKED: usize = 3;
const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn look(mirrors: &[String], configuration: &Configuration) -> Check {
    let mut asked = 0;
    for url in servers(mirrors, configuration).into_iter().take(MAX_ASKED) {
        asked += 1;
        if let Some(theirs) = time_of(&url).await {
            return compared(Timestamp::now(), theirs, url.host_str().unwrap_or_default());
        }
    }
    let why = if asked == 0 { "no server is configured that tells the time" } else { "no server told the time" };
    let now = Timestamp::now().strftime("%F %T UTC");
    Check::new(State::Warning, CHECK, now.to_string(), format!("not compared: {why}"))
}

/// The servers that the configuration has anyway, without paths and logins.
fn servers(mirrors: &[String], configuration: &Configuration) -> Vec<Url> {
    let mirror_of = |registry: &str| mirrors.iter().find_map(|it| it.strip_prefix(registry)?.strip_prefix('='));
    let registries = configuration.policies.iter().map(|policy| {
        let image = &policy.repository.image;
        let registry = image.layout().is_none().then(|| image.registry())?;
        let own = format!("https://{registry}/");
        let url = Url::parse(mirror_of(registry).unwrap_or(&own)).ok()?;
        let plain = policy.repository.access.insecure || is_loopback(&url);
        if plain { Url::parse(&url.as_str().replacen("https://", "http://", 1)).ok() } else { Some(url) }
    });
    let remotes = configuration.automations.iter().map(|automation| Url::parse(&automation.remote.url).ok());
    let mut servers: Vec<Url> = Vec::new();
    for mut url in registries.chain(remotes).flatten().filter(|url| matches!(url.scheme(), "http" | "https")) {
        url.set_path("/");
        if url.set_username("").is_ok() && url.set_password(None).is_ok() && !servers.contains(&url) {
            servers.push(url);
        }
    }
    servers
}

async fn time_of(url: &Url) -> Option<Timestamp> {
    let builder = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
    let client = if is_loopback(url) { builder.no_proxy() } else { builder }.build().ok()?;
    let response = client.head(url.clone()).send().await.ok()?;
    DateTimeParser::new().parse_timestamp(response.headers().get(DATE)?.to_str().ok()?).ok()
}

/// A server's time is in whole seconds, and some were on the way.
fn compared(ours: Timestamp, theirs: Timestamp, host: &str) -> Check {
    let off = ours.duration_since(theirs);
    let now = ours.strftime("%F %T UTC").to_string();
    if off.abs() < TOLERANCE {
        return Check::new(State::Ok, CHECK, now, format!("as {host} has it"));
    }
    let which = if off.is_negative() { "behind" } else { "ahead of" };
    let message = format!("{} {which} that of {host}; set it by NTP", age::short(off.abs().as_secs()));
    Check::new(State::Failed, CHECK, now, message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_forgiven() {
        let theirs: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let said = |seconds| {
            let line = compared(theirs + SignedDuration::from_secs(seconds), theirs, "ghcr.io");
            (line.state, line.message)
        };
        assert_eq!(said(59), (State::Ok, "as ghcr.io has it".to_owned()));
        assert_eq!(said(-59).0, State::Ok);
        assert_eq!(said(300), (State::Failed, "5m ahead of that of ghcr.io; set it by NTP".to_owned()));
        assert_eq!(said(-7200), (State::Failed, "120m behind that of ghcr.io; set it by NTP".to_owned()));
    }
}
