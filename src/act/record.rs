//! Writing down what was done: each commit, and holds and failures when they begin or change.

use std::collections::{BTreeMap, BTreeSet};

use crate::run::{AutomationReport, Context, Error, Mode, Outcome, Progress, Stage, apart};
use crate::store::{Event, Record};
use crate::wire::{ChangedField, HeldField};

/// Writes down what became of automations. What is the same as the last time is not written again.
pub(super) async fn record(context: Context<'_>, reports: &[AutomationReport], progress: &Progress) {
    if context.mode == Mode::DryRun {
        return;
    }
    let mut found = Vec::new();
    for report in reports {
        match of(context, report) {
            Some(record) => found.push((report, record)),
            None => context.memory.told(&report.id, None),
        }
    }
    let earlier = earlier(context, &found).await;
    let mut records = Vec::new();
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
    let store = context.edges.store.clone();
    match apart("write history", move || store.record(records)).await {
        Ok(Ok(())) => context.memory.store_works("history"),
        Ok(Err(error)) => context.memory.store_fails("history", &error),
        Err(error) => tracing::error!(%error, "writing down the history was stopped"),
    }
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
    let changes = match event {
        Event::Pushed { .. } => report.edits.iter().flat_map(|edit| &edit.changes).map(ChangedField::from).collect(),
        _ => Vec::new(),
    };
    let is_pushed = matches!(event, Event::Pushed { .. });
    Some(Record {
        time: context.now,
        automation: report.id.to_string(),
        url: report.url.clone(),
        branch: report.branch.clone(),
        event,
        message,
        by: String::new(),
        remarks: if is_pushed { report.remarks.clone() } else { Vec::new() },
        changes,
        holds: report.holds.iter().map(HeldField::from).collect(),
        left_out: 0,
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
