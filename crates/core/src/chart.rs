//! Versions of Helm charts that come from OCI registries, as they are written in YAML.
//!
//! A chart is an artifact of a registry like an image, and its version is the artifact's tag. What tells it from an image is where
//! it is written, and one character: OCI allows no `+` in tags, so that Helm pushes `1.4.2+build.7` as `1.4.2_build.7`. A
//! field for the version of a chart has the version, `+` included.
//!
//! | shape | found in |
//! |---|---|
//! | `version` beside `chart: oci://…` | `HelmChart` of k3s and RKE2, `fleet.yaml` |
//! | `version` beside `chart` and a `sourceRef` to a `HelmRepository` | Flux `HelmRelease` (`spec.chart.spec`) and `HelmChart` |
//! | `version` beside `name` and `repository: oci://…`, in `dependencies` | `Chart.yaml` |
//! | `version` beside `name` and `repo: oci://…`, in `helmCharts` | Kustomize |
//! | `targetRevision` beside `chart` and `repoURL` without a scheme | Argo CD `Application`, `ApplicationSet` |

use gotext::version::VersionRef;
use yamlspan::tree::{Collection, Text, Tree};

/// The version of a chart, and where the chart is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChartVersion<'d> {
    /// The scalar that is the version, or a range of versions.
    pub(crate) version: Text<'d>,
    /// The chart's name in its repository; empty where the location says it all.
    pub(crate) name: &'d str,
    pub(crate) location: Location<'d>,
}

/// Where a chart is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Location<'d> {
    /// Below this repository, without a scheme.
    Registry(&'d str),
    /// Where an object of Flux's kind `HelmRepository` says.
    Object {
        /// The object's namespace, where it is named.
        namespace: Option<&'d str>,
        /// The object's name.
        name: &'d str,
    },
    /// In no registry, or it is not known.
    Elsewhere,
}

impl<'d> ChartVersion<'d> {
    /// Reads what a mapping says of a chart; none where it says nothing of one.
    pub(crate) fn of(tree: &Tree<'d>, mapping: &Collection<'d>) -> Option<Self> {
        let get = |key| tree.first(mapping, &[key]);
        let in_list = |key| mapping.key == key && tree.is_item(mapping);
        let (name, version, repository) = match (get("chart"), get("repoURL")) {
            (Some(chart), Some(url)) => (chart, get("targetRevision")?, Some(url)),
            (Some(chart), None) => (chart, get("version")?, get("repo").or_else(|| get("repository"))),
            (None, _) if in_list("dependencies") => (get("name")?, get("version")?, Some(get("repository")?)),
            (None, _) if in_list("helmCharts") => (get("name")?, get("version")?, Some(get("repo")?)),
            (None, _) => return None,
        };
        let of_argo = get("repoURL").is_some();
        let written = repository.map(|text| text.value);
        let location = match (without_scheme(name.value), written) {
            (Some(whole), _) => return Some(Self { version, name: "", location: Location::Registry(whole) }),
            (None, Some(url)) => match without_scheme(url) {
                Some(registry) => Location::Registry(registry),
                // Argo CD names registries without a scheme.
                None if of_argo && !url.contains("://") && !url.contains('@') => Location::Registry(url),
                None => Location::Elsewhere,
            },
            (None, None) => source(tree, mapping).unwrap_or(Location::Elsewhere),
        };
        Some(Self { version, name: name.value, location })
    }

    /// Whether it is a single version, not a range that Helm resolves.
    pub(crate) fn is_exact(&self) -> bool {
        VersionRef::parse_tag(self.version.value).is_some()
    }
}

/// The name of a chart's repository in a registry.
pub(crate) fn joined(registry: &str, name: &str) -> String {
    let registry = registry.trim_end_matches('/');
    if name.is_empty() { registry.to_owned() } else { format!("{registry}/{}", name.trim_matches('/')) }
}

/// The tag that the version of a chart has in a registry.
pub(crate) fn tag(version: &str) -> String {
    version.replace('+', "_")
}

/// The version that a tag of a chart stands for.
pub(crate) fn version(tag: &str) -> String {
    tag.replace('_', "+")
}

/// What stands behind `oci://`.
pub(crate) fn without_scheme(url: &str) -> Option<&str> {
    url.strip_prefix("oci://").map(|rest| rest.trim_end_matches('/'))
}

/// The object that `sourceRef` names.
fn source<'d>(tree: &Tree<'d>, mapping: &Collection<'d>) -> Option<Location<'d>> {
    let entry = mapping.entries.iter().find(|entry| entry.key == "sourceRef")?;
    let reference = &tree.collections[entry.collection?];
    let get = |key| tree.first(reference, &[key]).map(|text| text.value);
    let name = get("name").filter(|_| get("kind") == Some("HelmRepository"))?;
    Some(Location::Object { namespace: get("namespace"), name })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use yamlspan::document;

    #[track_caller]
    fn check(text: &str, expect: Option<(&str, &str)>) {
        let document = document::parse(text).unwrap();
        let tree = Tree::of(&document);
        let found = tree.collections.iter().find_map(|it| ChartVersion::of(&tree, it));
        let told = found.map(|found| {
            let place = match found.location {
                Location::Registry(registry) => joined(registry, found.name),
                Location::Object { namespace, name } => format!("{}/{name}", namespace.unwrap_or_default()),
                Location::Elsewhere => String::new(),
            };
            (found.version.value.to_owned(), place)
        });
        assert_eq!(told.as_ref().map(|(version, place)| (version.as_str(), place.as_str())), expect, "{text}");
    }

    #[test]
    fn where_charts_are() {
        check("chart: oci://r.io/charts/app\nversion: 1.0.0\n", Some(("1.0.0", "r.io/charts/app")));
        check("chart: app\nrepo: oci://r.io/charts/\nversion: 1.0.0\n", Some(("1.0.0", "r.io/charts/app")));
        check("chart: app\nrepo: https://r.io/charts\nversion: 1.0.0\n", Some(("1.0.0", "")));
        check("chart: app\nversion: 1.x\nsourceRef: {kind: HelmRepository, name: r}\n", Some(("1.x", "/r")));
        check(
            "chart: app\nversion: '2'\nsourceRef: {kind: HelmRepository, name: r, namespace: flux}\n",
            Some(("2", "flux/r")),
        );
        check("chart: ./app\nversion: '2'\nsourceRef: {kind: GitRepository, name: r}\n", Some(("2", "")));
        check("dependencies: [{name: db, version: 1.0.0, repository: 'oci://r.io/x'}]\n", Some(("1.0.0", "r.io/x/db")));
        check("dependencies: [{name: db, version: 1.0.0, repository: 'file://../db'}]\n", Some(("1.0.0", "")));
        check("helmCharts: [{name: db, version: 1.0.0, repo: 'oci://r.io/x'}]\n", Some(("1.0.0", "r.io/x/db")));
        check("{chart: db, repoURL: r.io/x, targetRevision: 1.0.0}\n", Some(("1.0.0", "r.io/x/db")));
        check("{chart: db, repoURL: 'oci://r.io/x', targetRevision: 1.0.0}\n", Some(("1.0.0", "r.io/x/db")));
        check("{chart: db, repoURL: 'https://r.io/x', targetRevision: 1.0.0}\n", Some(("1.0.0", "")));
        check("{path: db, repoURL: 'git@r.io:x', targetRevision: main}\n", None);
        check("{name: db, version: 1.0.0}\n", None);
        check("{chart: db}\n", None);
    }

    #[test]
    fn only_a_plus_differs() {
        assert_eq!((tag("1.4.2+up1.7"), version("1.4.2_up1.7")), ("1.4.2_up1.7".to_owned(), "1.4.2+up1.7".to_owned()));
    }
}
