//! Helm charts and other artifacts in OCI registries, whose versions are tags.

use yamlspan::tree::Collection;

use super::{Finder, Split};
use crate::chart::{self, ChartVersion, Location};
use crate::edit::variables;
use crate::inventory::{Chart, ChartRepository, Image, Obstacle};
use crate::marker::Field;

impl<'d> Finder<'_, 'd> {
    /// The version of a chart, where the chart is in a registry, or may be.
    pub(super) fn chart(&mut self, mapping: &Collection<'d>) {
        let Some(found) = ChartVersion::of(self.tree, mapping) else { return };
        let Some(scalar) = self.scalars.scalar(found.version.node, Field::Tag) else { return };
        let version = found.version.value;
        let obstacle = match variables::has_variable(version) {
            true => Some(Obstacle::Variable),
            false => (!found.is_exact()).then_some(Obstacle::Range),
        };
        let image = |shown: String| Image {
            repository: image::Repository::parse(&shown).ok(),
            obstacle: obstacle.or(variables::has_variable(&shown).then_some(Obstacle::Variable)),
            shown,
            tag: chart::tag(version),
            digest: None,
            // Flux writes the tag as it is.
            own_form: version.contains('+'),
            is_chart: true,
            object: self.object(found.version.node),
            scalars: vec![scalar.clone()],
            keys: String::new(),
        };
        match found.location {
            Location::Registry(registry) => {
                let image = image(chart::joined(registry, found.name));
                if image.repository.is_some() || image.obstacle == Some(Obstacle::Variable) {
                    self.found.push(image);
                }
            }
            Location::Object { namespace, name } => {
                let mut image = image(found.name.to_owned());
                image.repository = None;
                let namespace = namespace.map_or_else(|| image.object.namespace.clone(), str::to_owned);
                self.charts.push(Chart { namespace, source: name.to_owned(), image });
            }
            Location::Elsewhere => {}
        }
    }

    /// The revision of an artifact that Argo CD takes from a registry.
    pub(super) fn artifact(&mut self, mapping: &Collection<'d>) {
        if self.tree.get(mapping, "chart").is_some() {
            return;
        }
        let Some(url) = self.tree.get(mapping, "repoURL") else { return };
        let tag = self.tree.first(mapping, &["targetRevision"]);
        if let (Some(name), Some(tag)) = (chart::without_scheme(url.value), tag) {
            self.add_split(Split { name: name.to_owned(), tag: Some(tag), ..Split::default() });
        }
    }

    /// An object of Flux's that says where charts are.
    pub(super) fn chart_repository(&mut self, mapping: &Collection<'d>) {
        let object = self.object(mapping.node);
        if object.kind != "HelmRepository" || mapping.key != "spec" {
            return;
        }
        let Some(url) = self.tree.first(mapping, &["url"]) else { return };
        let registry = chart::without_scheme(url.value).map(str::to_owned);
        self.repositories.push(ChartRepository { namespace: object.namespace, name: object.name, registry });
    }
}
