//! Slack, Microsoft Teams and Discord.
//!
//! - Slack takes a message a second for each webhook and each channel, and cuts longer texts than 4,000 characters badly. Its API says in
//!   the body of an answer with 200 that it does not take something.
//! - Teams takes messages of 28 KB. Its older webhooks say in the body of an answer with 200 that there were too many.
//! - Discord takes texts of 2,000 characters, and tells with each answer whether one more is welcome, and when.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use url::Url;

use super::exchange::{Answer, Exchange, Failure, Post};
use super::target::{Account, Chat, Route, url};
use super::text::Letter;

/// The longest texts, in characters as JavaScript counts them.
pub(crate) const SLACK_TEXT: usize = 4_000;
pub(crate) const DISCORD_TEXT: usize = 2_000;

/// The longest message of Teams, in bytes; and how long its lines may be together, each with the frame that it has there.
pub(crate) const TEAMS_MESSAGE: usize = 28_000;
pub(crate) const TEAMS_TEXT: usize = TEAMS_MESSAGE - 400;

/// The pause after each message.
const PACE: Duration = Duration::from_secs(1);

/// The longest pause that Discord is granted between two messages.
const MAX_PACE: Duration = Duration::from_secs(60);

/// What Slack's API says where a later attempt may help.
const SLACK_LATER: [&str; 6] =
    ["ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"];

pub(crate) async fn slack(
    exchange: &Exchange,
    (chat, route): (&Chat, &Route),
    letter: &Letter,
) -> Result<Duration, Failure> {
    let mut body = json!({"text": letter.body, "unfurl_links": false, "unfurl_media": false});
    name(&mut body, chat);
    if !chat.channel.is_empty() {
        body["channel"] = chat.channel.as_str().into();
    }
    let (answer, host) = send(exchange, (chat, route), &body).await?;
    if matches!(chat.account, Account::Webhook(_)) {
        return Ok(PACE);
    }
    let said: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    match (said["ok"].as_bool(), said["error"].as_str().unwrap_or("nothing that its interface promises")) {
        (Some(true), _) => Ok(PACE),
        (_, error) if SLACK_LATER.contains(&error) => Err(Failure::later(format!("{host} says {error}"))),
        (_, error) => {
            let error = words::one_line(&exchange.sent.hide(error), 100);
            Err(Failure::Never(format!("{host} does not take it: {error}")))
        }
    }
}

pub(crate) async fn teams(
    exchange: &Exchange,
    (chat, route): (&Chat, &Route),
    letter: &Letter,
) -> Result<Duration, Failure> {
    let body = card(&letter.body.lines().collect::<Vec<_>>());
    let (answer, host) = send(exchange, (chat, route), &body).await?;
    match answer.body.contains("HTTP error 429") {
        true => Err(Failure::later(format!("{host} has too much to do"))),
        false => Ok(PACE),
    }
}

/// A line of a card.
pub(crate) fn block(line: &str) -> Value {
    let rest = line.trim_start_matches(' ');
    // Blanks at the beginning would make a block of code of it.
    let text = format!("{}{rest}", "\u{a0}".repeat(line.len() - rest.len()));
    json!({"type": "TextBlock", "text": text, "wrap": true, "spacing": "None"})
}

pub(crate) fn card(lines: &[&str]) -> Value {
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "msteams": {"width": "Full"},
                "body": lines.iter().map(|line| block(line)).collect::<Vec<_>>(),
            },
        }],
    })
}

pub(crate) async fn discord(
    exchange: &Exchange,
    (chat, route): (&Chat, &Route),
    letter: &Letter,
) -> Result<Duration, Failure> {
    let mentions: &[&str] = if letter.is_theirs { &["users", "roles", "everyone"] } else { &[] };
    // 4: no previews of what addresses lead to.
    let mut body = json!({"content": letter.body, "allowed_mentions": {"parse": mentions}, "flags": 4});
    name(&mut body, chat);
    let (answer, _) = send(exchange, (chat, route), &body).await?;
    Ok(rest(&answer.headers))
}

/// How long Discord wants to be left alone after a message that it took.
fn rest(headers: &HeaderMap) -> Duration {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let is_spent = number("x-ratelimit-remaining").is_some_and(|left| left < 1.0);
    let rest = number("x-ratelimit-reset-after").filter(|rest| is_spent && rest.is_finite() && *rest > 0.0);
    rest.map_or(Duration::ZERO, |rest| Duration::from_secs_f64(rest.min(MAX_PACE.as_secs_f64())))
}

fn name(body: &mut Value, chat: &Chat) {
    if !chat.username.is_empty() {
        body["username"] = chat.username.as_str().into();
    }
}

/// Sends JSON to a chat. Beside the answer is the host, for messages.
async fn send(exchange: &Exchange, (chat, route): (&Chat, &Route), body: &Value) -> Result<(Answer, String), Failure> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    let url: Url = match &chat.account {
        Account::Webhook(address) => url(address).ok_or_else(|| Failure::Never("the address is no URL".to_owned()))?,
        Account::Token(url, token) => {
            let unfit = || Failure::Never("the token has characters that no header can have".to_owned());
            headers.insert(AUTHORIZATION, web::bearer(token).ok_or_else(unfit)?);
            url.clone()
        }
    };
    let host = web::authority(&url);
    let answer = exchange.post(Post { url, headers, body: body.to_string().into_bytes(), route }).await?;
    Ok((answer, host))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn discord_says_when_one_more_is_welcome() {
        let check = |remaining: &'static str, after: &'static str, expect: f64| {
            let pairs = [("x-ratelimit-remaining", remaining), ("x-ratelimit-reset-after", after)];
            let headers =
                pairs.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            assert_eq!(rest(&headers), Duration::from_secs_f64(expect), "{remaining} {after}");
        };
        check("4", "1.5", 0.0);
        check("0", "1.5", 1.5);
        check("0", "1e9", 60.0);
        check("0", "NaN", 0.0);
        check("0", "-1", 0.0);
        check("", "", 0.0);
    }

    #[test]
    fn a_card_keeps_blanks_and_has_a_frame() {
        assert!(card(&[]).to_string().len() <= TEAMS_MESSAGE - TEAMS_TEXT);
        assert!(card(&["    a: b"]).to_string().contains("\u{a0}\u{a0}\u{a0}\u{a0}a: b"));
    }
}
