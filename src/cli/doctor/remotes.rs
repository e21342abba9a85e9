//! Whether the Git remotes may be read and pushed to: one line for each remote and login.

use std::sync::Arc;

use futures_util::StreamExt;
use tagwright_core::automation::Automation;

use super::failed;
use crate::config::Configuration;
use crate::failure::{Context, Failure, Result};
use crate::observe::push_branch;
use crate::run::{Login, Queue, name_remotes};
use crate::wire::doctor::{Check, State};

const CHECK: &str = "remote";

/// Remotes asked at the same time.
const CONCURRENT: usize = 8;

pub(super) async fn look(git: &git::Git, configuration: &Configuration) -> Vec<Check> {
    let syncs = configuration.syncs.iter().map(|sync| &sync.automation);
    let all: Vec<Arc<Automation>> = configuration.automations.iter().chain(syncs).cloned().collect();
    name_remotes(git, &all);
    let queues = Queue::of_remotes(&all);
    let logins = queues.iter().flat_map(Queue::logins);
    futures_util::stream::iter(logins).map(|login| of_login(git, login)).buffered(CONCURRENT).collect().await
}

async fn of_login(git: &git::Git, login: &Login) -> Check {
    let url = login[0].1.remote.url.clone();
    match branches(git, login).await {
        Ok(branches) => {
            let message = format!("may be read and pushed to; commits go to {}", branches.join(", "));
            Check::new(State::Ok, CHECK, url, message)
        }
        Err(failure) => failed(CHECK, url, &failure),
    }
}

/// Reads the references with both logins, that of a fetch and that of a push, looks whether they have what is read, and finds
/// the branches that commits go to. These need not be there yet.
async fn branches(git: &git::Git, login: &Login) -> Result<Vec<String>> {
    let remote = &login[0].1.remote;
    // The line begins with the remote.
    let it = |error: git::Error| Failure::of_it(&error);
    let mirror = git.open(&remote.url, &remote.access).map_err(it)?;
    let advertisement = mirror.advertise().await.map_err(it).context("cannot be read")?;
    mirror.may_push().await.map_err(it).context("cannot be pushed to")?;
    if advertisement.is_empty() {
        return Err(Failure::missing("is empty", "push a first commit"));
    }
    let mut branches = Vec::new();
    for (_, automation) in login {
        let aim = push_branch::aim(&mirror, &advertisement, automation, None).await?;
        aim.is_there(&mirror, &advertisement).map_err(it)?;
        if !branches.contains(&aim.branch) {
            branches.push(aim.branch);
        }
    }
    Ok(branches)
}
