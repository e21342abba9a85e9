//! Whether the registries list the tags of all images: one line for each registry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use registry::Allowance;
use tagwright_core::automation::ImageRepository;

use super::failed;
use crate::config::Configuration;
use crate::failure::Failure;
use crate::wire::doctor::{Check, State};

const CHECK: &str = "registry";

/// Image repositories asked for at the same time.
const CONCURRENT: usize = 16;

/// What the repositories of one registry came to: how many tags each lists, or why it lists none.
type Answers = Vec<(String, Result<usize, registry::Error>)>;

pub(super) async fn look(client: &registry::Client, configuration: &Configuration) -> Vec<Check> {
    let asked = futures_util::stream::iter(repositories(configuration)).map(|repository| async move {
        let listing = client.tags(&repository.image, &repository.access).await;
        (repository, listing.map(|listing| listing.tags.len()))
    });
    let mut registries: BTreeMap<String, Answers> = BTreeMap::new();
    for (repository, answer) in asked.buffered(CONCURRENT).collect::<Vec<_>>().await {
        let answers = registries.entry(repository.image.registry().to_owned()).or_default();
        answers.push((repository.image.name().to_owned(), answer));
    }
    let allowances = client.allowances();
    let left = |registry: &str| allowances.get(registry).map(left).unwrap_or_default();
    let line = |(registry, answers): (String, _)| {
        let left = left(&registry);
        let mut line = of_registry(registry, answers);
        line.message.push_str(&left);
        line
    };
    registries.into_iter().map(line).collect()
}

/// What a registry says is left of what it allows.
fn left(allowance: &Allowance) -> String {
    let of = allowance.limit.map_or(String::new(), |limit| format!(" of {limit}"));
    let window = allowance.window.map_or(String::new(), |window| format!(" for {}", span(window)));
    let pulls = if allowance.remaining == 0 { " (of pulls; lists and digests are none)" } else { "" };
    format!("; it says that {}{of} are left{window}{pulls}", allowance.remaining)
}

/// A window in the largest unit that it is a whole number of.
fn span(window: Duration) -> String {
    match window.as_secs() {
        seconds if seconds >= 3600 && seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        seconds if seconds >= 60 && seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

/// The repositories that a bot would poll, each once.
fn repositories(configuration: &Configuration) -> Vec<Arc<ImageRepository>> {
    let mut repositories: Vec<Arc<ImageRepository>> = Vec::new();
    for policy in configuration.policies.iter().filter(|policy| !policy.suspended && !policy.repository.suspended) {
        if !repositories.iter().any(|known| known.id == policy.repository.id) {
            repositories.push(Arc::clone(&policy.repository));
        }
    }
    repositories
}

fn of_registry(registry: String, answers: Answers) -> Check {
    let all = answers.len();
    let tags = answers.iter().filter_map(|(_, answer)| answer.as_ref().ok()).sum();
    let mut failures = answers.into_iter().filter_map(|(name, answer)| Some((name, answer.err()?)));
    let Some((name, error)) = failures.next() else {
        let images = words::plural(all, "image repository");
        return Check::new(State::Ok, CHECK, registry, format!("lists {} of {images}", words::plural(tags, "tag")));
    };
    let more = match failures.count() {
        0 => String::new(),
        more => format!("; and {more} more of {all}"),
    };
    let mut line = failed(CHECK, registry, &Failure::from(error).under(format!("cannot list the tags of {name}")));
    line.message.push_str(&more);
    line
}
