//! Resources that are submitted while the bot works: one writer for each remote.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tagwright_core::automation::ObjectName;
use tagwright_core::submit::{GitSync, Submission};
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use super::handle::Handle;
use super::rows::automation_row;
use super::shared::Shared;
use crate::act;
use crate::run::{AutomationReport, Context, Mode, Progress, Stage, aside};
use crate::store::Event;
use crate::wire::status::{AutomationStatus, Ready};

/// How long somebody waits for a writer of the same remote before saying that it still does.
const STEP: Duration = Duration::from_secs(10);

impl Handle {
    /// Takes the places that resources can be submitted to, in place of those before.
    pub fn take_syncs(&self, syncs: Vec<Arc<GitSync>>) {
        let mut state = self.shared.state();
        state.syncs = syncs;
        state.untidy = true;
        self.shared.name_remotes(&state);
    }

    /// A place that resources can be submitted to.
    pub(crate) fn sync(&self, id: &ObjectName) -> Option<Arc<GitSync>> {
        self.shared.state().syncs.iter().find(|sync| sync.automation.id == *id).cloned()
    }

    /// Submits resources, after whoever writes to the same remote is done.
    pub(crate) async fn submit(
        &self,
        sync: &GitSync,
        submission: &Submission,
        by: &str,
        is_dry: bool,
    ) -> AutomationReport {
        let mode = if is_dry { Mode::DryRun } else { Mode::Push };
        let progress = Progress::default();
        let _writer = self.shared.writer(&sync.automation.remote.url, &progress).await;
        let context = Context { mode, ..self.shared.context() };
        let report = act::submit_by(by, context, sync, submission, &progress).await;
        if !is_dry {
            let now = self.shared.now();
            self.shared.state().submitted(&report, now);
        }
        report
    }
}

impl Shared {
    /// Waits until nobody else writes to a remote, and keeps others from it as long as what is returned lives.
    pub(super) async fn writer(&self, url: &str, progress: &Progress) -> OwnedMutexGuard<()> {
        let writer = {
            let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
            // Those whom nobody waits for are as good as new ones.
            writers.retain(|known, writer| known == url || Arc::strong_count(writer) > 1);
            Arc::clone(writers.entry(url.to_owned()).or_default())
        };
        loop {
            progress.at(Stage::Advertise, url);
            if let Ok(guard) = timeout(STEP, Arc::clone(&writer).lock_owned()).await {
                return guard;
            }
        }
    }

    /// The rows of the places that resources can be submitted to, with what the history says of each.
    pub(super) fn sync_rows(&self) -> Vec<AutomationStatus> {
        let syncs = self.state().syncs.clone();
        if syncs.is_empty() {
            return Vec::new();
        }
        let names: BTreeSet<String> = syncs.iter().map(|sync| sync.automation.id.to_string()).collect();
        let latest = aside("read history", || self.edges.store.latest(&names)).unwrap_or_default();
        let row = |sync: &Arc<GitSync>| {
            let mut row = automation_row(&sync.automation, None);
            row.message = "nothing was submitted yet".to_owned();
            if let Some(record) = latest.get(&sync.automation.id.to_string()) {
                row.branch.clone_from(&record.branch);
                row.last_run = Some(record.time);
                row.message.clone_from(&record.message);
                row.ready = if record.event == Event::Failed { Ready::False } else { Ready::True };
                if let Event::Pushed { commit, .. } = &record.event {
                    row.last_commit = Some(commit.clone());
                }
            }
            row
        };
        syncs.iter().map(row).collect()
    }
}
