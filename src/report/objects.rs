//! The objects of a cluster as tables in the manner of `kubectl get`.

use jiff::Timestamp;

use super::age;
use super::status::{message, ready};
use super::table::{Cell, Width, table};
use crate::snippet::{Color, Style};
use crate::wire::objects::{AutomationObject, Objects, PolicyObject};

/// Writes a table of policies, one of automations, and those of what is held and found, each when there is something in it.
#[must_use]
pub(crate) fn tables(objects: &Objects, now: Timestamp, width: Width, style: Style) -> String {
    let Objects { policies, automations } = objects;
    let mut tables = Vec::new();
    if !policies.is_empty() {
        let rows: Vec<_> = policies.iter().map(policy).collect();
        tables.push(table(["NAME", "IMAGE", "TAG", "READY", "MESSAGE"], &rows, width, style));
    }
    if !automations.is_empty() {
        tables.push(match width {
            Width::Narrow => {
                let rows: Vec<_> = automations.iter().map(|it| automation(it, now)).collect();
                table(["NAME", "LAST RUN", "READY", "MESSAGE"], &rows, width, style)
            }
            Width::Wide => {
                let rows: Vec<_> = automations.iter().map(|it| wide_automation(it, now)).collect();
                table(["NAME", "KIND", "LAST RUN", "LAST COMMIT", "READY", "MESSAGE"], &rows, width, style)
            }
        });
    }
    let held_policies = policies.iter().map(|it| (it.id().marker(), &it.held));
    let held = held_policies.chain(automations.iter().map(|it| (it.id().to_string(), &it.held)));
    let found = automations.iter().map(|it| (it.id().to_string(), &it.findings));
    for (heading, rows) in [("HELD", said(held)), ("FINDINGS", said(found))] {
        if !rows.is_empty() {
            tables.push(table([heading, "WHAT"], &rows, width, style));
        }
    }
    tables.join("\n")
}

fn policy(row: &PolicyObject) -> [Cell; 5] {
    [
        row.id().marker().into(),
        row.image.clone().unwrap_or_default().into(),
        row.tag.clone().unwrap_or_default().into(),
        ready(row.ready),
        message(row.suspended, &row.message).into(),
    ]
}

fn automation(row: &AutomationObject, now: Timestamp) -> [Cell; 4] {
    [row.id().to_string().into(), age::since(row.last_run, now).into(), ready(row.ready), why(row).into()]
}

fn wide_automation(row: &AutomationObject, now: Timestamp) -> [Cell; 6] {
    [
        row.id().to_string().into(),
        row.kind.clone().into(),
        age::since(row.last_run, now).into(),
        words::short(row.last_commit.as_deref().unwrap_or_default()).to_owned().into(),
        ready(row.ready),
        why(row).into(),
    ]
}

/// The message, behind why it is suspended.
fn why(row: &AutomationObject) -> String {
    match &row.reason {
        Some(reason) => format!("suspended: {reason}; {}", row.message),
        None => message(row.suspended, &row.message),
    }
}

/// The rows of what objects say beside being ready or not.
fn said<'s>(of: impl Iterator<Item = (String, &'s Option<String>)>) -> Vec<[Cell; 2]> {
    let said = of.filter_map(|(name, said)| Some((name, said.clone()?)));
    said.map(|(name, said)| [Cell::colored(name, Color::Yellow), said.into()]).collect()
}
