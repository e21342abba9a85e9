//! `.Summary`: what a commit changes, short enough for its subject.

use std::collections::BTreeMap;

use image::Reference;

use crate::change::Change;
use crate::message::DEFAULT_MESSAGE;

/// How much of a digest is shown, in characters of its hexadecimal part.
const SHOWN_DIGEST: usize = 7;

/// The value of `.Summary`: `Update podinfo to 6.7.1 (+1 more)`, where what is counted are the other images.
pub(crate) fn summary(changes: &[&Change], images: &BTreeMap<String, String>) -> String {
    let mut updates: Vec<String> = Vec::new();
    for change in changes {
        let update = update(change, changes, images);
        if !updates.contains(&update) {
            updates.push(update);
        }
    }
    match &updates[..] {
        [] => DEFAULT_MESSAGE.to_owned(),
        [update] => format!("Update {update}"),
        [update, more @ ..] => format!("Update {update} (+{} more)", more.len()),
    }
}

/// What one change is part of: the image, by the last part of its name, and its new tag.
fn update(change: &Change, changes: &[&Change], images: &BTreeMap<String, String>) -> String {
    let policy = policy(&change.setter);
    let written = images.get(policy).map_or(change.new.as_str(), String::as_str);
    let Ok(Reference { repository, tag, digest }) = Reference::parse(written) else {
        return format!("{} to {}", last(policy, ':'), change.new);
    };
    let name = last(repository.path(), '/');
    let of_policy = || changes.iter().filter(|other| self::policy(&other.setter) == policy);
    match (tag, digest) {
        // Where the tag stays, the digest is what is new.
        (Some(tag), Some(digest)) if of_policy().all(|change| is_of_digest(change)) => {
            let digest = digest.as_str();
            let shown = digest.find(':').map_or(digest.len(), |colon| colon + 1 + SHOWN_DIGEST);
            format!("{name} to {}@{}", tag.as_str(), digest.get(..shown).unwrap_or(digest))
        }
        (Some(tag), _) => format!("{name} to {}", tag.as_str()),
        (None, _) => format!("{} to {}", last(policy, ':'), change.new),
    }
}

/// `namespace:policy` of `namespace:policy:field`.
fn policy(setter: &str) -> &str {
    let mut colons = setter.match_indices(':').map(|(at, _)| at);
    let end = colons.nth(1).unwrap_or(setter.len());
    &setter[..end]
}

fn last(text: &str, separator: char) -> &str {
    text.rsplit(separator).next().unwrap_or(text)
}

/// Whether nothing but a digest is another one.
fn is_of_digest(change: &Change) -> bool {
    let without = |text: &str| text.split_once('@').map_or_else(|| text.to_owned(), |(before, _)| before.to_owned());
    let is_digest = change.setter.ends_with(":digest");
    is_digest || without(&change.old) == without(&change.new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGESTS: [&str; 2] = [
        "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "sha256:4b6ad3a68d34da29bf7c8ccb5d355ba8b4babcad1f99798204e7abb43e54ee3d",
    ];

    fn check(changes: &[(&str, &str, &str)], images: &[(&str, &str)], expect: &str) {
        let change = |(setter, old, new): &(&str, &str, &str)| Change {
            file: "app.yaml".to_owned(),
            line: 1,
            object: crate::change::ObjectIdentity::default(),
            old: (*old).to_owned(),
            new: (*new).to_owned(),
            setter: (*setter).to_owned(),
        };
        let changes: Vec<Change> = changes.iter().map(change).collect();
        let images = images.iter().map(|(policy, image)| ((*policy).to_owned(), (*image).to_owned())).collect();
        assert_eq!(summary(&changes.iter().collect::<Vec<_>>(), &images), expect);
    }

    #[test]
    fn the_first_image_is_named_and_the_others_are_counted() {
        let podinfo = ("default:podinfo", "ghcr.io/stefanprodan/podinfo:6.7.1");
        let web = ("shop:web-7", "registry.example.com:5000/shop/web:v2");
        let whole = ("default:podinfo", "ghcr.io/stefanprodan/podinfo:6.5.4", podinfo.1);
        check(&[whole], &[podinfo], "Update podinfo to 6.7.1");
        check(&[whole, whole, ("default:podinfo:tag", "6.5.4", "6.7.1")], &[podinfo], "Update podinfo to 6.7.1");
        let more = [("shop:web-7:tag", "v1", "v2"), whole];
        check(&more, &[podinfo, web], "Update web to v2 (+1 more)");
        check(&[], &[podinfo], "Update from image update automation");
    }

    #[test]
    fn what_is_not_known_of_an_image_is_told_by_its_policy() {
        check(&[("default:app:tag", "1", "2")], &[], "Update app to 2");
        check(&[("default:app", "acme/app:1", "acme/app:2")], &[], "Update app to 2");
        check(&[("default:app:name", "acme/app", "acme/shop")], &[], "Update app to acme/shop");
        check(&[("odd", "", "")], &[], "Update odd to ");
    }

    #[test]
    fn a_digest_is_named_where_the_tag_stays() {
        let [old, new] = DIGESTS;
        let latest = format!("acme/web:latest@{new}");
        let images = [("default:web", latest.as_str())];
        let before = format!("acme/web:latest@{old}");
        check(&[("default:web", &before, &latest)], &images, "Update web to latest@sha256:4b6ad3a");
        check(&[("default:web", "acme/web:latest", &latest)], &images, "Update web to latest@sha256:4b6ad3a");
        check(&[("default:web:digest", old, new)], &images, "Update web to latest@sha256:4b6ad3a");
        let pinned = format!("acme/web:1.5@{new}");
        let images = [("default:web", pinned.as_str())];
        check(&[("default:web", &before, &pinned)], &images, "Update web to 1.5");
        check(&[("default:web:digest", old, new), ("default:web:tag", "1.4", "1.5")], &images, "Update web to 1.5");
    }
}
