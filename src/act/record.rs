//! Writing down what was done: each commit, and holds and failures when they begin or change.

use std::collections::{BTreeMap, BTreeSet};

use crate::run::{AutomationReport, Context, Error, GroupReport, Mode, Outcome, Progress, Stage, apart};
use crate::store::{Event, Record};
use crate::wire::{ChangedField, HeldField};

/// Writes down what became of automations, and for whom that was, if it was for somebody. What is the same as the last time is not written again.
pub(super) async fn record(context: Context<'_>, reports: &[AutomationReport], by: &str, progress: &Progress) {
    if context.mode == Mode::DryRun {
        return;
    }
    let mut found = Vec::new();
    let mut pushed: Vec<Record> = Vec::new();
    for report in reports {
        pushed.extend(report.groups.iter().filter_map(|group| of_group(context, report, group)));
        match of(context, report) {
            Some(record) => found.push((report, Record { by: by.to_owned(), ..record })),
            None => context.memory.told(&report.id, None),
        }
    }
    let earlier = earlier(context, &found).await;
    let mut records = pushed;
    for (report, record) in found {
        let last = context.memory.last_told(&report.id).unwrap_or_else(|| earlier.get(&record.automation).cloned());
        if is_news(last.as_ref(), &record) {
            context.memory.told(&report.id, Some(record.clone()));
            records.push(record);
        }
    }
    if records.is_empty() {
        return;
    }
    progress.at(Stage::Record, &reports[0].url);
    context.keep_history(records).await;
}

/// What there is to write; nothing for an automation with nothing to do.
fn of(context: Context<'_>, report: &AutomationReport) -> Option<Record> {
    let (event, message) = match &report.outcome {
        Outcome::Pushed { commit, missed } => {
            let subject = report.message.lines().next().unwrap_or_default();
            (Event::Pushed { commit: commit.clone(), missed: missed.as_ref().map(Error::chain) }, subject.to_owned())
        }
        Outcome::Held { reason } => (Event::Held, reason.clone()),
        Outcome::Failed(error) => (Event::Failed, error.chain()),
        Outcome::Unchanged | Outcome::WouldPush => return None,
    };
    if matches!(event, Event::Pushed { .. }) && !report.groups.is_empty() {
        return None;
    }
    let changes = match event {
        Event::Pushed { .. } => report.edits.iter().flat_map(|edit| &edit.changes).map(ChangedField::from).collect(),
        _ => Vec::new(),
    };
    let is_pushed = matches!(event, Event::Pushed { .. });
    Some(Record {
        automation: report.id.to_string(),
        url: report.url.clone(),
        branch: report.branch.clone(),
        remarks: if is_pushed { report.remarks.clone() } else { Vec::new() },
        changes,
        holds: report.holds.iter().map(HeldField::from).collect(),
        ..Record::of(context.now, event, message)
    })
}

/// The commit of a group.
fn of_group(context: Context<'_>, report: &AutomationReport, group: &GroupReport) -> Option<Record> {
    let commit = group.commit.clone()?;
    let event = Event::Pushed { commit, missed: Some(group.error.clone()).filter(|error| !error.is_empty()) };
    let message = group.message.lines().next().unwrap_or_default().to_owned();
    Some(Record {
        automation: report.id.to_string(),
        url: report.url.clone(),
        branch: group.branch.clone(),
        remarks: group.remarks.clone(),
        changes: group.edits.iter().flat_map(|edit| &edit.changes).map(ChangedField::from).collect(),
        ..Record::of(context.now, event, message)
    })
}

/// What earlier processes last wrote of automations of which this one has written nothing yet.
async fn earlier(context: Context<'_>, found: &[(&AutomationReport, Record)]) -> BTreeMap<String, Record> {
    let is_unknown = |report: &AutomationReport| context.memory.last_told(&report.id).is_none();
    let unknown = found.iter().filter(|(report, _)| is_unknown(report)).map(|(_, record)| record.automation.clone());
    let unknown: BTreeSet<String> = unknown.collect();
    if unknown.is_empty() {
        return BTreeMap::new();
    }
    let store = context.edges.store.clone();
    let read = apart("read history", move || store.latest(&unknown).unwrap_or_default());
    read.await.unwrap_or_default()
}

/// Whether this is not what was last written of the automation, by this process or an earlier one.
fn is_news(last: Option<&Record>, record: &Record) -> bool {
    if matches!(record.event, Event::Pushed { .. }) {
        return true;
    }
    last.is_none_or(|last| {
        let same = last.event == record.event && last.message == record.message;
        !same
            || last.holds.len() + last.left_out != record.holds.len()
            || last.holds[..] != record.holds[..last.holds.len()]
    })
}
