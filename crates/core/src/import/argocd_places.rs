//! Where argocd-image-updater writes the images of an application.

use std::sync::LazyLock;

use image::Repository;
use regex::Regex;

use super::argocd::SOURCE;
use super::argocd_settings::{Wanted, WriteBack};
use super::node::Node;
use super::place::joined;
use super::{Form, Import, Input, Place, Spot};
use crate::mark::File;
use crate::marker::Field;

/// An Application, with where its manifests come from.
pub(super) struct App<'n> {
    pub(super) file: &'n File,
    pub(super) document: &'n Node,
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    sources: Vec<Source>,
}

/// One of them.
pub(super) struct Source {
    pub(super) url: Option<String>,
    pub(super) revision: Option<String>,
    path: Option<String>,
    is_tooled: bool,
    value_files: Vec<String>,
}

impl<'n> App<'n> {
    pub(super) fn of(file: &'n File, document: &'n Node) -> Self {
        let text = |keys: &[&str]| document.at(keys).and_then(Node::text).map(str::to_owned);
        let single = document.at(&["spec", "sourceHydrator", "drySource"]).or_else(|| document.at(&["spec", "source"]));
        let several = document.at(&["spec", "sources"]).map(Node::items).unwrap_or_default();
        let sources = single.into_iter().chain(several).map(Source::of).collect();
        let name = text(&["metadata", "name"]).unwrap_or_default();
        Self { file, document, name, namespace: text(&["metadata", "namespace"]), sources }
    }

    pub(super) fn spot(&self) -> Spot {
        self.document.spot(&self.file.path)
    }

    /// The source that images are set in: the one with Helm or Kustomize, otherwise the first with a path.
    pub(super) fn source(&self, input: &Input<'_>) -> Option<&Source> {
        let is_kustomize = |it: &&Source| kustomization(input, it.path.as_deref()).is_some();
        let tooled = self.sources.iter().find(|it| it.is_tooled && it.path.is_some());
        let tooled = tooled.or_else(|| self.sources.iter().find(is_kustomize));
        tooled.or_else(|| self.sources.iter().find(|it| it.path.is_some())).or_else(|| self.sources.first())
    }

    /// Applications are committed together, where no message names them.
    pub(super) fn automation_name(&self, is_named: bool) -> String {
        if is_named { self.name.clone() } else { "argocd".to_owned() }
    }
}

impl Source {
    fn of(node: &Node) -> Self {
        let text = |key: &str| node.text_of(key).map(str::to_owned);
        let files = node.at(&["helm", "valueFiles"]).map(Node::texts).unwrap_or_default();
        Self {
            url: text("repoURL"),
            revision: text("targetRevision"),
            path: text("path").or_else(|| node.get("path").map(|_| String::new())),
            is_tooled: node.get("helm").is_some() || node.get("kustomize").is_some(),
            value_files: files.into_iter().map(str::to_owned).collect(),
        }
    }
}

/// The kustomization of a folder.
fn kustomization(input: &Input<'_>, folder: Option<&str>) -> Option<String> {
    let folder = joined("", folder?)?;
    let names = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
    let mut paths = names.into_iter().filter_map(|name| joined(&folder, name));
    paths.find(|path| input.known.at(path).is_some())
}

/// The places of an image; none where there are none, which is said.
pub(super) fn places(
    input: &Input<'_>,
    import: &mut Import,
    app: &App<'_>,
    write_back: &WriteBack,
    wanted: &Wanted,
    is_elsewhere: bool,
) -> Vec<Place> {
    let mut leave = |why: String| {
        import.leave(SOURCE, &wanted.spot, format!("the image {} of {}", wanted.repository, app.name), why);
        Vec::new()
    };
    let source = app.source(input);
    let (here, nothing) = (input, is_elsewhere.then(|| input.elsewhere()));
    let input = nothing.as_ref().unwrap_or(here);
    let folder = source.and_then(|it| it.path.clone()).unwrap_or_default();
    let at = |path: String, form: Form| vec![Place { path, spot: wanted.spot.clone(), form }];
    let target = write_back.target.as_ref().filter(|_| write_back.is_git()).map(|(target, _)| target.as_str());
    let (kind, path) = match target {
        Some(target) => target.split_once(':').map_or((target, None), |(kind, path)| (kind, Some(path))),
        None => ("", None),
    };
    match kind {
        "kustomization" => {
            let below = joined(&folder, path.unwrap_or_default());
            let Some(below) = below else { return leave(format!("{} leaves the repository", target.unwrap_or_default())) };
            let path = kustomization(input, Some(&below));
            let path = match path {
                Some(path) => path,
                None if is_elsewhere => joined(&below, "kustomization.yaml").unwrap_or_default(),
                None => return leave(format!("there is no kustomization in {below:?}; name the folder that has it, too")),
            };
            at(path, Form::Kustomization(kustomize_name(wanted)))
        }
        "helmvalues" => {
            let Some(path) = joined(&folder, path.unwrap_or("values.yaml")) else {
                return leave(format!("{} leaves the repository", target.unwrap_or_default()));
            };
            if wanted.alias.is_none() {
                return leave("argocd-image-updater writes no values for an image without an alias".to_owned());
            }
            let form = Form::Keys { is_fleet: false, keys: helm_keys(input, &path, wanted) };
            at(path, form)
        }
        "" => in_use((here, input), app, wanted, source, &folder)
            .or_else(|| is_elsewhere.then(|| elsewhere(&folder, wanted)).flatten())
            .unwrap_or_else(|| leave("its tag does not stand in the files: write it there, such as an item of `images` in a kustomization, and import again".to_owned())),
        file => {
            let named = target.unwrap_or(file);
            let Some(path) = joined(&folder, named) else { return leave(format!("{named} leaves the repository")) };
            override_file(input, &path, wanted)
                .unwrap_or_else(|| leave(format!("{path} has no such image; write the tag in the files, and import again")))
        }
    }
}

/// The name of the item of `images`.
fn kustomize_name(wanted: &Wanted) -> String {
    match &wanted.manifest.kustomize {
        Some((name, _)) => name.clone(),
        None => wanted.repository.name().to_owned(),
    }
}

/// Keys of Helm's values: those that are said, or their defaults.
fn helm_keys(input: &Input<'_>, path: &str, wanted: &Wanted) -> Vec<(Field, String)> {
    let key = |said: &Option<(String, Spot)>, default: &str| {
        let key = said.as_ref().map_or(default, |(key, _)| key.as_str());
        literal(input, path, key)
    };
    match &wanted.manifest.helm_spec {
        Some((spec, _)) => vec![(Field::Image, literal(input, path, spec))],
        None => {
            let tag = (Field::Tag, key(&wanted.manifest.helm_tag, "image.tag"));
            // Without a name of its own, the name in the file stays.
            let name = wanted
                .manifest
                .helm_name
                .as_ref()
                .map(|_| (Field::Name, key(&wanted.manifest.helm_name, "image.name")));
            std::iter::once(tag).chain(name).collect()
        }
    }
}

/// A key as a way: where the file has it with its dots, that is meant.
fn literal(input: &Input<'_>, path: &str, key: &str) -> String {
    let quoted = key.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    let has = |key: &str| {
        let file = input.known.at(path);
        file.is_some_and(|file| input.known.documents(file).iter().any(|(_, it)| it.get(key).is_some()))
    };
    match quoted {
        Some(key) => format!("['{key}']"),
        None if key.contains('.') && has(key) => format!("['{key}']"),
        None => key.to_owned(),
    }
}

/// Where the tag stands now: in the override file of the image updater, in the Application, in Helm's values, or in the files of the folder.
fn in_use(
    (here, input): (&Input<'_>, &Input<'_>),
    app: &App<'_>,
    wanted: &Wanted,
    source: Option<&Source>,
    folder: &str,
) -> Option<Vec<Place>> {
    let namespaced = app.namespace.as_ref().map(|it| format!(".argocd-source-{it}_{}.yaml", app.name));
    let names = std::iter::once(format!(".argocd-source-{}.yaml", app.name)).chain(namespaced);
    let mut overrides = names.filter_map(|name| override_file(input, &joined(folder, &name)?, wanted));
    let spot = || wanted.spot.clone();
    if let Some(places) = overrides.next() {
        return Some(places);
    }
    let of_application = here.known.images_of(app.file, &wanted.repository).into_iter();
    let in_application: Vec<Place> = of_application
        .filter(|(_, it)| it.object.kind == "Application" && it.object.name == app.name)
        .flat_map(|(index, _)| here.known.forms(app.file, index))
        .map(|form| Place { path: app.file.path.clone(), spot: spot(), form })
        .collect();
    if !in_application.is_empty() {
        return Some(in_application);
    }
    let source = source.filter(|it| it.path.is_some())?;
    let files = source.value_files.iter().rev().map(String::as_str).chain(["values.yaml"]);
    let is_helm = wanted.manifest.helm_tag.is_some() || wanted.manifest.helm_spec.is_some();
    for path in
        files.filter(|_| is_helm).filter_map(|file| joined(folder, file.strip_prefix("$values/").map_or(file, |it| it)))
    {
        let form = Form::Keys { is_fleet: false, keys: helm_keys(input, &path, wanted) };
        let place = Place { path, spot: spot(), form };
        if tag_at(input, wanted, &place).is_some() {
            return Some(vec![place]);
        }
    }
    if let Some(path) = kustomization(input, Some(folder)) {
        let place = Place { path, spot: spot(), form: Form::Kustomization(kustomize_name(wanted)) };
        if tag_at(input, wanted, &place).is_some() {
            return Some(vec![place]);
        }
    }
    let folder = joined("", folder)?;
    let mut found = Vec::new();
    for file in input.known.below(&folder) {
        let images = input.known.images_of(file, &wanted.repository);
        let forms = images.into_iter().flat_map(|(index, _)| input.known.forms(file, index));
        found.extend(forms.map(|form| Place { path: file.path.clone(), spot: spot(), form }));
    }
    Some(found).filter(|found| !found.is_empty())
}

/// What can be said of files that are not at hand.
fn elsewhere(folder: &str, wanted: &Wanted) -> Option<Vec<Place>> {
    let (file, form) = match &wanted.manifest.helm_spec {
        Some((spec, _)) => ("values.yaml", Form::Keys { is_fleet: false, keys: vec![(Field::Image, spec.clone())] }),
        None => match &wanted.manifest.helm_tag {
            Some((tag, _)) => ("values.yaml", Form::Keys { is_fleet: false, keys: vec![(Field::Tag, tag.clone())] }),
            None => ("kustomization.yaml", Form::Kustomization(kustomize_name(wanted))),
        },
    };
    Some(vec![Place { path: joined(folder, file)?, spot: wanted.spot.clone(), form }])
}

/// The image in a file of overrides: an item of Kustomize's images, or Helm's parameters.
fn override_file(input: &Input<'_>, path: &str, wanted: &Wanted) -> Option<Vec<Place>> {
    let documents = input.known.documents(input.known.at(path)?);
    let (_, document) = documents.first()?;
    let at = |at: String, field: Field| Place {
        path: path.to_owned(),
        spot: wanted.spot.clone(),
        form: Form::At { at, field, document: None },
    };
    let parameters = document.at(&["helm", "parameters"]).map(Node::items).unwrap_or_default();
    let parameter = |name: &str| {
        let index = parameters.iter().position(|it| it.text_of("name") == Some(name))?;
        Some(format!("$.helm.parameters[{index}].value"))
    };
    let name = |said: &Option<(String, Spot)>, default: &str| {
        said.as_ref().map_or(default.to_owned(), |(name, _)| name.clone())
    };
    if let Some((spec, _)) = &wanted.manifest.helm_spec
        && let Some(way) = parameter(spec)
    {
        return Some(vec![at(way, Field::Image)]);
    }
    if let Some(way) = parameter(&name(&wanted.manifest.helm_tag, "image.tag")) {
        // Another image of the application may have the parameter that is the default.
        let named = &wanted.manifest.helm_name;
        let is_own = |name: &str| {
            let said = parameters.iter().find(|it| it.text_of("name") == Some(name)).and_then(|it| it.text_of("value"));
            named.is_some() || said.is_some_and(|it| Repository::parse(it).is_ok_and(|it| it == wanted.repository))
        };
        let key = Some(name(named, "image.name")).filter(|key| is_own(key));
        let of_name = key.and_then(|key| parameter(&key)).map(|way| at(way, Field::Name));
        return Some(std::iter::once(at(way, Field::Tag)).chain(of_name).collect());
    }
    let items = document.at(&["kustomize", "images"]).map(Node::items).unwrap_or_default();
    let repository = wanted.repository.name();
    let is_it = |item: &Node| {
        let text = item.text().unwrap_or_default();
        let text = text.split_once('=').map_or(text, |(_, text)| text);
        text.strip_prefix(repository).is_some_and(|rest| rest.starts_with([':', '@']))
    };
    let index = items.iter().position(is_it)?;
    Some(vec![at(format!("$.kustomize.images[{index}]"), Field::Image)])
}

/// The tag that stands at the places.
pub(super) fn tag_in_use(input: &Input<'_>, wanted: &Wanted, places: &[Place]) -> Option<String> {
    places.iter().find_map(|place| tag_at(input, wanted, place))
}

static TAG: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(?:.*:)?([A-Za-z0-9_][A-Za-z0-9._-]*)(?:@.*)?$").ok());

fn tag_at(input: &Input<'_>, wanted: &Wanted, place: &Place) -> Option<String> {
    let value = input.known.tag_at(&place.path, &place.form, &wanted.repository)?;
    TAG.as_ref()?.captures(&value)?.get(1).map(|tag| tag.as_str().to_owned())
}
