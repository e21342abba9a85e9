//! Image repositories that are known to have moved, or to get no new images: `moves.txt`, which has a source for each.
//!
//! ```
//! use tagwright_core::moves::moved;
//! let old = image::Repository::parse("bitnami/redis")?;
//! let sentence = moved(&old).expect("it has moved");
//! assert!(sentence.starts_with("bitnami/redis has moved to docker.io/bitnamilegacy/redis: "), "{sentence}");
//! assert_eq!(moved(&image::Repository::parse("ghcr.io/bitnami/redis")?), None);
//! # Ok::<(), image::Error>(())
//! ```

use image::Repository;

const MOVES: &str = include_str!("moves.txt");

/// A name for all names.
const ANY: &str = "name";

/// Says in one sentence that a repository has moved, and where to.
#[must_use]
pub fn moved(repository: &Repository) -> Option<String> {
    let canonical = repository.canonical();
    all().find_map(|(from, to, note)| {
        let to = match from.strip_suffix('*') {
            Some(prefix) => {
                // The name of the registry is written as people do, and compared as it is.
                let probe = Repository::parse(&format!("{prefix}{ANY}")).ok()?.canonical();
                let rest = canonical.strip_prefix(probe.strip_suffix(ANY)?)?;
                to.replace('*', rest)
            }
            None => (Repository::parse(from).ok()?.canonical() == canonical).then(|| to.to_owned())?,
        };
        Some(format!("{repository} has moved to {to}: {note}"))
    })
}

/// What it was, what it is, and what happened.
fn all() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let lines = MOVES.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let (from, rest) = line.split_once(' ')?;
        let (to, note) = rest.split_once(' ')?;
        Some((from, to, note))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(image: &str, to: Option<&str>) {
        let found = moved(&Repository::parse(image).unwrap());
        let found = found.as_deref().map(|text| text.split(": ").next().unwrap());
        assert_eq!(found, to.map(|to| format!("{image} has moved to {to}")).as_deref(), "{image}");
    }

    #[test]
    fn every_line_is_one_and_says_why() {
        let lines = MOVES.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(all().count(), lines);
        for (from, to, note) in all() {
            assert_eq!(from.ends_with('*'), to.ends_with('*'), "{from}");
            for name in [from, to] {
                Repository::parse(&name.replace('*', ANY)).unwrap_or_else(|error| panic!("{error}"));
            }
            assert!(note.contains("; https://"), "{from} has no source");
        }
    }

    #[test]
    fn names_are_compared_however_they_are_written() {
        check("k8s.gcr.io/pause", Some("registry.k8s.io/pause"));
        check("k8s.gcr.io/sig-storage/csi-provisioner", Some("registry.k8s.io/sig-storage/csi-provisioner"));
        check("index.docker.io/bitnami/redis", Some("docker.io/bitnamilegacy/redis"));
        check("openjdk", Some("docker.io/library/eclipse-temurin"));
        check("gcr.io/kubebuilder/kube-rbac-proxy", Some("quay.io/brancz/kube-rbac-proxy"));
        for stays in [
            "registry.k8s.io/pause",
            "bitnamilegacy/redis",
            "bitnami",
            "acme/openjdk",
            "mirror.example.com/bitnami/redis",
        ] {
            check(stays, None);
        }
    }
}
