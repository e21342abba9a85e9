//! Orders: what is told before one is confirmed, and how it is carried out. They are those that stop something, or let go on what the
//! configuration says; none changes the configuration, and none breaks the glass.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rmcp::model::JsonObject;
use serde_json::Value;
use tagwright_core::automation::ObjectName;

use super::question::Source;
use super::tools::{About, FreezeOrder, Given, PolicyOrder, PollOrder};
use crate::cli::{moment, name};
use crate::failure::{Failure, Result};
use crate::store::MAX_REASON_BYTES;
use crate::wire::freeze::Freeze;
use crate::wire::request::{Order, Poll, Run};

/// An order that somebody has given.
#[derive(Debug)]
pub(super) struct Ordered {
    /// What is wanted.
    wanted: Wanted,
    /// What two calls have in common that are one order.
    pub(super) key: String,
    /// The token of the first call.
    pub(super) confirm: Option<String>,
}

#[derive(Debug)]
enum Wanted {
    Switch(Order, ObjectName, String),
    Freeze(Freeze),
    Poll(Poll),
    Run(Run),
}

/// Reads the call of a tool that is an order; none for the other tools.
pub(super) fn read(tool: &str, arguments: &JsonObject) -> Option<Result<Ordered>> {
    let what: fn(JsonObject, String) -> Result<Wanted> = match tool {
        "hold" => |about, reason| of_policy(Order::Hold, about, reason),
        "release" => |about, reason| of_policy(Order::Release, about, reason),
        "suspend" => |about, reason| of_automation(Order::Suspend, about, reason),
        "resume" => |about, reason| of_automation(Order::Resume, about, reason),
        "freeze" => freeze,
        "poll" => poll,
        "run" => run,
        _ => return None,
    };
    Some(ordered(tool, arguments.clone(), what))
}

fn ordered(tool: &str, arguments: JsonObject, what: fn(JsonObject, String) -> Result<Wanted>) -> Result<Ordered> {
    let (given, about): (JsonObject, JsonObject) =
        arguments.into_iter().partition(|(name, _)| name == "reason" || name == "confirm");
    let Given { reason: said, confirm } = super::question::read(given)?;
    let reason = reason(&said)?;
    let sorted: BTreeMap<&String, &Value> = about.iter().collect();
    let key = format!("{tool} {} {reason}", serde_json::to_string(&sorted)?);
    Ok(Ordered { wanted: what(about, reason)?, key, confirm })
}

fn of_policy(order: Order, about: JsonObject, reason: String) -> Result<Wanted> {
    let PolicyOrder { policy } = super::question::read(about)?;
    Ok(Wanted::Switch(order, name::parse(&policy)?, reason))
}

fn of_automation(order: Order, about: JsonObject, reason: String) -> Result<Wanted> {
    let About { automation } = super::question::read(about)?;
    Ok(Wanted::Switch(order, name::parse(&automation)?, reason))
}

fn freeze(about: JsonObject, reason: String) -> Result<Wanted> {
    let FreezeOrder { selectors, until } = super::question::read(about)?;
    let until = until.map(|text| moment::until(&text, Timestamp::now(), &TimeZone::system())).transpose()?;
    Ok(Wanted::Freeze(Freeze { selectors, until, reason: Some(reason) }))
}

fn poll(about: JsonObject, reason: String) -> Result<Wanted> {
    let PollOrder { policy, automation } = super::question::read(about)?;
    let policy = policy.map(|text| name::parse(&text).map(|name| name.marker())).transpose()?;
    let automation = automation.map(|text| name::parse(&text).map(|name| name.to_string())).transpose()?;
    Ok(Wanted::Poll(Poll { policy, automation, reason: Some(reason) }))
}

fn run(about: JsonObject, reason: String) -> Result<Wanted> {
    let About { automation } = super::question::read(about)?;
    Ok(Wanted::Run(Run { automation: name::parse(&automation)?.to_string(), reason: Some(reason) }))
}

fn reason(text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_REASON_BYTES || text.contains(char::is_control) {
        let message = format!("a reason is a text on one line of at most {MAX_REASON_BYTES} bytes");
        return Err(Failure::usage(message, "say in a few words why, for those who will ask"));
    }
    Ok(text.to_owned())
}

impl Ordered {
    /// What will happen, for whoever is asked.
    pub(super) fn sentence(&self) -> String {
        let said = |reason: &Option<String>| reason.clone().unwrap_or_default();
        let text = match &self.wanted {
            Wanted::Switch(order, name, reason) => {
                let name = order.written(name);
                let what = match order {
                    Order::Hold => "the fields of this policy keep their values",
                    Order::Release | Order::Hurry => "the next run writes what is selected",
                    Order::Suspend => "this automation does nothing until it is resumed",
                    Order::Resume => "the next run writes what is selected",
                };
                format!("{} {name}: {what} (reason: {reason}).", order.as_str())
            }
            Wanted::Freeze(Freeze { selectors, until, reason }) => {
                let what = if selectors.is_empty() { "everything".to_owned() } else { selectors.join(", ") };
                let until = until.map_or_else(|| "until somebody ends it".to_owned(), |until| format!("until {until}"));
                format!("freeze {what} {until}: nothing of it is written (reason: {}).", said(reason))
            }
            Wanted::Poll(Poll { policy, automation, reason }) => {
                let what = policy.as_ref().or(automation.as_ref()).map_or("everything", String::as_str);
                format!("poll {what}: registries are asked now, and runs may follow (reason: {}).", said(reason))
            }
            Wanted::Run(Run { automation, reason }) => {
                format!("run {automation}: it may commit and push now (reason: {}).", said(reason))
            }
        };
        words::one_line(&text, 1000)
    }

    /// Gives the order to the bot; returns its answer.
    pub(super) async fn carry_out(&self, source: &Source) -> Result<Value> {
        let bot = source.bot().await?;
        let answer = match &self.wanted {
            Wanted::Switch(order, name, reason) => serde_json::to_value(bot.order(*order, name, Some(reason)).await?),
            Wanted::Freeze(wish) => serde_json::to_value(bot.freeze(wish).await?),
            Wanted::Poll(wish) => serde_json::to_value(bot.poll(wish).await?),
            Wanted::Run(wish) => serde_json::to_value(bot.run(wish).await?),
        };
        Ok(answer?)
    }
}
