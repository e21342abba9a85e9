//! Flux's objects.

use super::{Target, exclusion_list, list, message_lines, paths, plain, said};
use crate::import::{Automation, Choice, Image, Left, Request, alphabetical};
use crate::mark::policies::{FluxObjects, INTERVAL, flux_choice, flux_objects, flux_url, indented, quoted, scalar};
use crate::message::DEFAULT_AUTHOR;
use crate::policy::{Order, Policy};

/// On policies, the automation that they are for, where there are several: Flux's look at all policies of their namespace.
const LABEL: &str = "tagwright.dev/automation";

/// Writes an automation with its policies; it may be one of several.
pub(super) fn documents(
    (automation, is_one_of_several): (&Automation, bool),
    url: &str,
    target: &Target,
    left: &mut Vec<Left>,
) -> String {
    let delivery = &automation.delivery;
    let is_here = delivery.url.is_none();
    let mut leave = |what: &str, why: &str| {
        if let Some(image) = automation.images.first() {
            let (spot, source) = (image.spot.clone(), image.source);
            left.push(Left { spot, source, what: what.to_owned(), why: why.to_owned() });
        }
    };
    if !delivery.windows.is_empty() || delivery.schedule.is_some() {
        leave("hours", "Flux's objects have an interval alone; import native documents for windows and schedules");
    }
    if delivery.signed_off {
        leave("a sign-off", "Flux's objects have none");
    }
    let branch = delivery.branch.as_ref().or(target.branch.as_ref().filter(|_| is_here));
    let branch = scalar(branch.map_or("main", String::as_str));
    // A request has a branch by itself, and Flux would push to the one that is read.
    let push = delivery.push_branch.as_ref().map_or(branch.clone(), |branch| scalar(branch));
    let (author, email) = match &delivery.author {
        Some((name, email)) => (scalar(name), scalar(email)),
        None => (DEFAULT_AUTHOR.name.to_owned(), DEFAULT_AUTHOR.email.to_owned()),
    };
    let message = delivery.message.as_ref().map(|message| indented(&message_lines(message), 4));
    let message = message.map(|text| text.replacen("message:", "messageTemplate:", 1)).unwrap_or_default();
    let path = match &paths(automation, target)[..] {
        [path] => scalar(&format!("./{path}")),
        _ => "./".to_owned(),
    };
    let interval = plain(delivery.interval.as_deref().unwrap_or(INTERVAL));
    let label = is_one_of_several.then(|| format!("{LABEL}: {}\n", scalar(&automation.name)));
    let selector = label.as_ref().map(|label| format!("  policySelector:\n    matchLabels:\n      {label}"));
    let labels = label.map(|label| format!("  labels:\n    {label}")).unwrap_or_default();
    let mut text = FluxObjects {
        namespace: &scalar(&target.namespace),
        name: &scalar(&automation.name),
        url: &scalar(&flux_url(url)),
        branch: &branch,
        interval: &interval,
        annotations: &annotations(delivery.request.as_ref().map(request_annotations).unwrap_or_default()),
        author: (&author, &email),
        message: &message,
        push: delivery.request.is_none().then_some(&push),
        path: &path,
        selector: &selector.unwrap_or_default(),
    }
    .text();
    for image in &automation.images {
        text.push_str(&flux_image(image, &target.namespace, &interval, &labels));
    }
    text
}

fn request_annotations(request: &Request) -> Vec<(&'static str, String)> {
    let list = |key, items: &[String]| (!items.is_empty()).then(|| (key, items.join(",")));
    let mut all = vec![("pull-request", "true".to_owned())];
    all.extend(request.forge.map(|forge| ("pull-request-forge", forge.to_owned())));
    all.extend(list("pull-request-labels", &request.labels));
    all.extend(list("pull-request-reviewers", &request.reviewers));
    all.extend(list("pull-request-assignees", &request.assignees));
    all.extend(request.draft.then(|| ("pull-request-draft", "true".to_owned())));
    all.extend(request.auto_merge.then(|| ("pull-request-auto-merge", "whenChecksPass".to_owned())));
    all
}

/// The annotations of an object; nothing where there are none.
fn annotations(all: Vec<(&'static str, String)>) -> String {
    let line = |(key, value): &(&str, String)| format!("    tagwright.dev/{key}: {}\n", quoted(value));
    if all.is_empty() { String::new() } else { format!("  annotations:\n{}", all.iter().map(line).collect::<String>()) }
}

fn flux_image(image: &Image, namespace: &str, interval: &str, labels: &str) -> String {
    let Choice { digest, exclusions, platforms, minimum_age, secret, verify, interval: own, suspended } = &image.choice;
    // By which Flux goes, where it knows no other.
    let (order, flux) = match image.policy.order {
        Order::Newest => {
            (Some(("order", "newest".to_owned())), Policy { order: alphabetical().order, ..image.policy.clone() })
        }
        _ => (None, image.policy.clone()),
    };
    let more = [
        minimum_age.as_ref().map(|age| ("minimum-age", age.clone())),
        (!platforms.is_empty()).then(|| ("platforms", platforms.join(" "))),
        verify.as_ref().map(|secret| ("verify-keys-secret", secret.clone())),
    ];
    let annotations = annotations(order.into_iter().chain(more.into_iter().flatten()).collect());
    let interval = own.as_deref().map_or(interval.to_owned(), plain);
    let mut repository = format!("image: {}\ninterval: {interval}\n", scalar(image.repository.name()));
    list("exclusionList", &exclusion_list(exclusions), &mut repository);
    if let Some(secret) = secret {
        repository.push_str(&format!("secretRef:\n  name: {}\n", scalar(secret)));
    }
    if *suspended {
        repository.push_str("suspend: true\n");
    }
    let policy = flux_choice(&flux, *digest, &interval);
    flux_objects((namespace, &image.name), &said(image), &repository, (&format!("{labels}{annotations}"), &policy))
}
