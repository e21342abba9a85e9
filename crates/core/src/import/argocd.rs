//! argocd-image-updater: annotations of Applications, `ImageUpdater` objects, and its ConfigMap.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::argocd_common::{Common, common};
use super::argocd_places::{self, App};
use super::argocd_settings::{Manifest, Said, Settings, Wanted, WriteBack, policy, wanted};
use super::glob::Glob;
use super::node::{self, Node};
use super::{Delivery, Image, Import, Input, Place, Request, Source, Spot, short};
use crate::mark::File;

pub(super) const SOURCE: Source = Source::ArgocdImageUpdater;
const PREFIX: &str = "argocd-image-updater.argoproj.io/";

pub(super) fn read(input: &Input<'_>, import: &mut Import) {
    let mentions = |file: &&File| {
        let has = |word: &str| memchr::memmem::find(&file.bytes, word.as_bytes()).is_some();
        has("argocd-image-updater") || has("argoproj.io")
    };
    let files: Vec<(&File, Vec<Node>)> =
        input.files.iter().filter(mentions).map(|file| (file, node::documents(file))).collect();
    let documents = || files.iter().flat_map(|(file, all)| all.iter().map(move |it| (*file, it)));
    let of = |kind: &'static str| documents().filter(move |(_, it)| it.text_of("kind") == Some(kind));
    let is_used =
        of("ImageUpdater").next().is_some() || documents().any(|(_, it)| annotation(it, "image-list").is_some());
    let common = common(import, of("ConfigMap").filter(|_| is_used));
    let applications = Applications::of(of("Application").map(|(file, it)| App::of(file, it)).collect());
    let updaters: Vec<Updater<'_>> =
        of("ImageUpdater").map(|(file, it)| Updater::of(file, it, &applications)).collect();
    let takes = |updater: &Updater<'_>, reference: usize| updater.references[reference].takes_annotations();
    let annotated_for: BTreeSet<usize> = updaters
        .iter()
        .flat_map(|it| it.meant.iter().filter(|(_, reference)| takes(it, **reference)).map(|(app, _)| *app))
        .collect();
    for (at, app) in applications.all.iter().enumerate() {
        let Some(list) = annotation(app.document, "image-list") else { continue };
        if !updaters.is_empty() && !annotated_for.contains(&at) {
            let why = "where there are ImageUpdater objects, annotations are read only with useAnnotations, and no applicationRefs says so";
            import.leave(SOURCE, &list.spot(&app.file.path), format!("the annotations of {}", app.name), why);
        } else if (input.is_asked)(&app.file.path) {
            let write_back = write_back_of(app);
            let images = annotated(import, app);
            emit(input, import, &common, app, &write_back, images);
        }
    }
    for updater in updaters.iter().filter(|it| (input.is_asked)(&it.file.path)) {
        objects(input, import, &common, &applications, updater);
    }
    for (file, set) in of("ApplicationSet").filter(|(file, _)| (input.is_asked)(&file.path)) {
        let template = set.at(&["spec", "template"]);
        let list = template.and_then(|it| annotation(it, "image-list"));
        if let Some(list) = list {
            let why = "the Applications that it makes are not in the files; import what `argocd appset generate` prints, or mark the files";
            import.leave(SOURCE, &list.spot(&file.path), "the annotations of an ApplicationSet", why);
        }
    }
}

fn annotation<'n>(object: &'n Node, name: &str) -> Option<&'n Node> {
    let all = object.at(&["metadata", "annotations"])?.entries();
    all.iter().find(|(key, _)| key.strip_prefix(PREFIX) == Some(name)).map(|(_, node)| node)
}

fn said(app: &App<'_>, name: &str) -> Said {
    let node = annotation(app.document, name)?;
    Some((node.text()?.trim().to_owned(), node.spot(&app.file.path)))
}

fn list(said: Said) -> Option<(Vec<String>, Spot)> {
    let (text, spot) = said?;
    Some((text.split(',').map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()).collect(), spot))
}

fn write_back_of(app: &App<'_>) -> WriteBack {
    WriteBack {
        method: said(app, "write-back-method"),
        branch: said(app, "git-branch"),
        repository: said(app, "git-repository"),
        target: said(app, "write-back-target"),
        request: None,
    }
}

/// The images of the annotations, each with what is said of it, and of all.
fn annotated(import: &mut Import, app: &App<'_>) -> Vec<Wanted> {
    let Some(node) = annotation(app.document, "image-list") else { return Vec::new() };
    let spot = node.spot(&app.file.path);
    let settings = |prefix: &str| Settings {
        strategy: said(app, &format!("{prefix}update-strategy")),
        allow: said(app, &format!("{prefix}allow-tags")).or_else(|| {
            let (pattern, spot) = said(app, &format!("{prefix}tag-match"))?;
            Some((if pattern.starts_with("regexp:") { pattern } else { format!("regexp:{pattern}") }, spot))
        }),
        ignore: list(said(app, &format!("{prefix}ignore-tags"))),
        secret: said(app, &format!("{prefix}pull-secret")),
        platforms: list(said(app, &format!("{prefix}platforms")).filter(|_| !prefix.is_empty())),
        verify: None,
    };
    let all = settings("");
    let mut images = Vec::new();
    let mut aliases = Vec::new();
    for text in node.text().unwrap_or_default().split(',').filter(|it| !it.trim().is_empty()) {
        let (alias, repository, constraint) = match wanted(text, &spot) {
            Ok(read) => read,
            Err(why) => {
                import.leave(SOURCE, &spot, format!("image-list: {}", text.trim()), why);
                continue;
            }
        };
        let key = |name: &str| said(app, &format!("{}.{name}", alias.as_deref()?));
        let manifest = Manifest {
            helm_name: key("helm.image-name"),
            helm_tag: key("helm.image-tag"),
            helm_spec: key("helm.image-spec"),
            kustomize: key("kustomize.image-name"),
        };
        let own = alias.as_ref().map(|alias| settings(&format!("{alias}."))).unwrap_or_default();
        aliases.extend(alias.clone());
        images.push(Wanted { alias, repository, constraint, spot: spot.clone(), settings: own.or(&all), manifest });
    }
    unknown(import, app, &aliases);
    images
}

/// Names the annotations that nothing is made of.
fn unknown(import: &mut Import, app: &App<'_>, aliases: &[String]) {
    const WIDE: [&str; 10] = [
        "image-list",
        "update-strategy",
        "force-update",
        "allow-tags",
        "tag-match",
        "ignore-tags",
        "pull-secret",
        "write-back-method",
        "git-branch",
        "git-repository",
    ];
    const OWN: [&str; 11] = [
        "update-strategy",
        "force-update",
        "allow-tags",
        "tag-match",
        "ignore-tags",
        "pull-secret",
        "platforms",
        "helm.image-name",
        "helm.image-tag",
        "helm.image-spec",
        "kustomize.image-name",
    ];
    let entries = app.document.at(&["metadata", "annotations"]).map(Node::entries).unwrap_or_default();
    for (key, node) in entries {
        let Some(name) = key.strip_prefix(PREFIX) else { continue };
        let of_alias = |alias: &String| name.strip_prefix(alias.as_str()).and_then(|it| it.strip_prefix('.'));
        let is_known = WIDE.contains(&name)
            || name == "write-back-target"
            || aliases.iter().filter_map(of_alias).any(|it| OWN.contains(&it));
        if !is_known {
            let why = "no image of image-list has such an alias, or argocd-image-updater has no such setting; it has no effect there either";
            import.leave(SOURCE, &node.spot(&app.file.path), name, why);
        }
    }
}

/// Adds the images of an application.
fn emit(
    input: &Input<'_>,
    import: &mut Import,
    common: &Common,
    app: &App<'_>,
    write_back: &WriteBack,
    images: Vec<Wanted>,
) {
    let delivery = delivery(input, import, common, app, write_back);
    for wanted in images {
        let places = argocd_places::places(input, import, app, write_back, &wanted, delivery.url.is_some());
        let delivery = of_places(&delivery, app, &places);
        let name = wanted.alias.clone().unwrap_or_else(|| wanted.repository.name().to_owned());
        if places.is_empty() {
            continue;
        }
        let tag = match delivery.url {
            Some(_) => None,
            None => argocd_places::tag_in_use(input, &wanted, &places),
        };
        match policy(import, &wanted, tag.as_deref()) {
            Ok((policy, choice)) => {
                let name = wanted.alias.clone().unwrap_or_else(|| short(&wanted.repository).to_owned());
                let (repository, spot) = (wanted.repository, wanted.spot);
                let image = Image { name, repository, policy, choice, spot, source: SOURCE, places };
                import.add(&app.automation_name(delivery.message.is_some()), delivery, image);
            }
            Err(why) => import.leave(SOURCE, &wanted.spot, format!("the image {name}"), why),
        }
    }
}

/// Where the tag stands in the Application itself, that is what is written, in this repository: the branches are those of another.
fn of_places(delivery: &Delivery, app: &App<'_>, places: &[Place]) -> Delivery {
    let is_application = !places.is_empty() && places.iter().all(|place| place.path == app.file.path);
    match delivery.url {
        Some(_) if is_application => Delivery { url: None, branch: None, push_branch: None, ..delivery.clone() },
        _ => delivery.clone(),
    }
}

/// How the commits of an application are made.
fn delivery(
    input: &Input<'_>,
    import: &mut Import,
    common: &Common,
    app: &App<'_>,
    write_back: &WriteBack,
) -> Delivery {
    let source = app.source(input);
    let mut delivery = Delivery {
        author: common.author(write_back.is_git()),
        signed_off: common.signed_off,
        interval: common.interval.clone(),
        ..Delivery::default()
    };
    match &write_back.method {
        Some((method, spot)) if method.starts_with("git:secret:") => {
            let why = "write a secret with the remote's login, and name it under `git.secretRef`, or give the login to the machine";
            import.leave(SOURCE, spot, format!("write-back-method: {method}"), why);
        }
        Some(_) if write_back.is_git() => {}
        _ => {
            let spot = write_back.method.as_ref().map_or_else(|| app.spot(), |(_, spot)| spot.clone());
            let what = format!("write-back-method: argocd of {}", app.name);
            import.leave(
                SOURCE,
                &spot,
                what,
                "there is no writing to the cluster: the tag is written to Git where it stands there",
            );
        }
    }
    let url =
        write_back.repository.as_ref().map(|(url, _)| url.clone()).or_else(|| source.and_then(|it| it.url.clone()));
    delivery.url = url.filter(|url| !(input.is_here)(url));
    let revision = source.and_then(|it| it.revision.clone()).filter(|it| it != "HEAD");
    match write_back.branch.as_ref().filter(|_| write_back.is_git()) {
        Some((branch, spot)) => {
            let (base, push) =
                branch.split_once(':').map_or((branch.as_str(), None), |(base, push)| (base, Some(push)));
            delivery.branch = Some(base.to_owned()).filter(|it| !it.is_empty()).or(revision);
            delivery.push_branch = push.map(|push| {
                if !push.contains("{{") {
                    return push.to_owned();
                }
                let why = format!("the name of the branch is fixed here: image-updates/{}", app.name);
                import.leave(SOURCE, spot, format!("git-branch: {branch}"), why);
                format!("image-updates/{}", app.name)
            });
        }
        None => delivery.branch = revision,
    }
    if let Some(request) = &write_back.request {
        delivery.request = Some(request.clone());
        // A request has a branch by itself.
        delivery.push_branch = delivery.push_branch.take().filter(|it| !it.starts_with("image-updates/"));
    }
    match common.message(write_back.is_git(), &app.name) {
        Ok(message) => delivery.message = message,
        Err((why, spot)) => import.leave(SOURCE, &spot, "git.commit-message-template", why),
    }
    delivery
}

/// Reads an `ImageUpdater`.
fn objects(
    input: &Input<'_>,
    import: &mut Import,
    common: &Common,
    applications: &Applications<'_>,
    updater: &Updater<'_>,
) {
    let file = updater.file;
    let Some(spec) = updater.document.get("spec") else { return };
    let (all, wide) = (fields(file, spec), write_back_fields(file, spec));
    let references = &updater.references;
    let mut used = vec![false; references.len()];
    for (app, at) in &updater.meant {
        let (app, reference) = (&applications.all[*app], references[*at].node);
        used[*at] = true;
        if references[*at].takes_annotations() {
            if annotation(app.document, "image-list").is_none() {
                let why = "it has no annotation image-list";
                import.leave(SOURCE, &reference.spot(&file.path), format!("useAnnotations of {}", app.name), why);
            }
            continue;
        }
        let settings = fields(file, reference).or(&all);
        let write_back = write_back_fields(file, reference).or(&wide);
        let mut images = Vec::new();
        for image in reference.get("images").map(Node::items).unwrap_or_default() {
            let spot = image.spot(&file.path);
            let text = image.text_of("imageName").unwrap_or_default();
            let (repository, constraint) = match wanted(text, &spot) {
                Ok((None, repository, constraint)) => (repository, constraint),
                Ok(_) => {
                    import.leave(SOURCE, &spot, format!("imageName: {text}"), "it is no name of an image");
                    continue;
                }
                Err(why) => {
                    import.leave(SOURCE, &spot, format!("imageName: {text}"), why);
                    continue;
                }
            };
            let target = |keys: &[&str]| {
                let node = image.get("manifestTargets")?.at(keys)?;
                Some((node.text()?.to_owned(), node.spot(&file.path)))
            };
            if let Some(plugin) = image.at(&["manifestTargets", "plugin"]) {
                let why = "parameters of plugins are not written; mark the value by hand";
                import.leave(SOURCE, &plugin.spot(&file.path), format!("the plugin of {text}"), why);
            }
            let manifest = Manifest {
                helm_name: target(&["helm", "name"]),
                helm_tag: target(&["helm", "tag"]),
                helm_spec: target(&["helm", "spec"]),
                kustomize: target(&["kustomize", "name"]),
            };
            let alias = image.text_of("alias").map(str::to_owned);
            let settings = fields(file, image).or(&settings);
            images.push(Wanted { alias, repository, constraint, spot, settings, manifest });
        }
        emit(input, import, common, app, &write_back, images);
    }
    for (reference, _) in references.iter().map(|it| it.node).zip(used).filter(|(_, used)| !used) {
        let what = format!("applicationRefs: {}", reference.text_of("namePattern").unwrap_or_default());
        let why = "no Application here fits, and where its files are is not known without one; name the folder that has it, too";
        import.leave(SOURCE, &reference.spot(&file.path), what, why);
    }
}

/// The Applications, so that those are found whose names begin alike.
struct Applications<'n> {
    all: Vec<App<'n>>,
    /// Namespace, name, and place of each, sorted; and once more without its namespace, as in any.
    by_name: BTreeSet<(Within, String, usize)>,
}

/// Where a name is looked for: in any namespace, in one, or among those that name none.
type Within = Option<Option<String>>;

impl<'n> Applications<'n> {
    fn of(all: Vec<App<'n>>) -> Self {
        let rows = |(at, app): (usize, &App<'n>)| {
            [None, Some(app.namespace.clone())].map(|within| (within, app.name.clone(), at))
        };
        Self { by_name: all.iter().enumerate().flat_map(rows).collect(), all }
    }

    /// The places of those with such a name.
    fn beginning<'a>(&'a self, within: &'a Within, beginning: &'a str) -> impl Iterator<Item = usize> + 'a {
        let rows = self.by_name.range((within.clone(), beginning.to_owned(), 0)..);
        let fits = move |row: &&(Within, String, usize)| row.0 == *within && row.1.starts_with(beginning);
        rows.take_while(fits).map(|(_, _, at)| *at)
    }
}

/// An `ImageUpdater`.
struct Updater<'n> {
    file: &'n File,
    document: &'n Node,
    references: Vec<Reference<'n>>,
    /// The Applications that it means, and the reference that does so most closely, each by its place.
    meant: BTreeMap<usize, usize>,
}

/// One of its `applicationRefs`, with the pattern of names.
struct Reference<'n> {
    node: &'n Node,
    pattern: Option<(&'n str, Glob)>,
}

impl<'n> Updater<'n> {
    fn of(file: &'n File, document: &'n Node, applications: &Applications<'_>) -> Self {
        let references = document.at(&["spec", "applicationRefs"]).map(Node::items).unwrap_or_default();
        let of = |node: &'n Node| Reference {
            node,
            pattern: node.text_of("namePattern").map(|it| (it, Glob::of(it, true))),
        };
        let references: Vec<Reference<'_>> = references.iter().map(of).collect();
        let namespace = document.at(&["metadata", "namespace"]).and_then(Node::text);
        let near: &[Within] = &match namespace {
            Some(_) => vec![Some(None), Some(namespace.map(str::to_owned))],
            None => vec![None],
        };
        // Of those that mean it equally closely, the first.
        let mut best: BTreeMap<usize, (usize, Reverse<usize>)> = BTreeMap::new();
        for (at, reference) in references.iter().enumerate() {
            let Some(beginning) = reference.beginning() else { continue };
            for app in near.iter().flat_map(|within| applications.beginning(within, beginning)) {
                let Some(specificity) = reference.specificity(&applications.all[app]) else { continue };
                let rank = (specificity, Reverse(at));
                best.entry(app).and_modify(|best| *best = rank.max(*best)).or_insert(rank);
            }
        }
        let meant = best.into_iter().map(|(app, (_, Reverse(at)))| (app, at)).collect();
        Self { file, document, references, meant }
    }
}

impl Reference<'_> {
    fn takes_annotations(&self) -> bool {
        self.node.flag("useAnnotations") == Some(true)
    }

    /// The text that all names begin with which it may mean.
    fn beginning(&self) -> Option<&str> {
        let (pattern, _) = self.pattern.as_ref()?;
        // A comma is an alternative, wherever it stands.
        let plain = pattern.find(['*', '?', '[', '{', '}', '\\']).map_or(*pattern, |end| &pattern[..end]);
        Some(if pattern.contains(',') { "" } else { plain })
    }

    /// How closely it means an application; none where it does not.
    fn specificity(&self, app: &App<'_>) -> Option<usize> {
        let (pattern, _) = self.pattern.as_ref().filter(|(_, glob)| glob.fits(&app.name))?;
        let exact = if pattern.contains(['*', '?', '[']) { 0 } else { 1_000_000 };
        let labels = self.node.at(&["labelSelectors", "matchLabels"]).map(Node::entries).unwrap_or_default();
        let label = |key: &str| app.document.at(&["metadata", "labels"])?.text_of(key);
        if labels.iter().any(|(key, value)| label(key) != value.text()) {
            return None;
        }
        let expressions = self.node.at(&["labelSelectors", "matchExpressions"]).map(Node::items).unwrap_or_default();
        if !expressions.iter().all(|it| is_met(it, label)) {
            return None;
        }
        let count = labels.len() + expressions.len();
        let of_labels = if count == 0 { 0 } else { 10_000 + 100 * count };
        let literal = pattern.chars().filter(|c| !matches!(c, '*' | '?' | '[' | ']')).count();
        Some(exact + of_labels + literal)
    }
}

/// Whether labels meet an expression, as Kubernetes has them; one with another operator is met by none.
fn is_met<'n>(expression: &Node, label: impl Fn(&str) -> Option<&'n str>) -> bool {
    let found = expression.text_of("key").and_then(label);
    let values = expression.get("values").map(Node::texts).unwrap_or_default();
    match expression.text_of("operator") {
        Some("In") => found.is_some_and(|it| values.contains(&it)),
        Some("NotIn") => !found.is_some_and(|it| values.contains(&it)),
        Some("Exists") => found.is_some(),
        Some("DoesNotExist") => found.is_none(),
        _ => false,
    }
}

fn fields(file: &File, node: &Node) -> Settings {
    let common = node.get("commonUpdateSettings");
    let said = |key: &str| {
        let node = common?.get(key)?;
        Some((node.text()?.to_owned(), node.spot(&file.path)))
    };
    let list = |key: &str| {
        let node = common?.get(key)?;
        Some((node.texts().into_iter().map(str::to_owned).collect(), node.spot(&file.path)))
    };
    let verification = node.get("imagesVerification").filter(|it| it.flag("enabled") != Some(false));
    let verify = verification.and_then(|it| {
        let name = it.at(&["cosignKey", "secretName"])?;
        Some((name.text()?.to_owned(), name.spot(&file.path)))
    });
    Settings {
        strategy: said("updateStrategy"),
        allow: said("allowTags"),
        ignore: list("ignoreTags"),
        secret: said("pullSecret"),
        platforms: list("platforms"),
        verify,
    }
}

fn write_back_fields(file: &File, node: &Node) -> WriteBack {
    let config = node.get("writeBackConfig");
    let said = |keys: &[&str]| {
        let node = config?.at(keys)?;
        Some((node.text()?.to_owned(), node.spot(&file.path)))
    };
    let request = config.and_then(|it| it.at(&["gitConfig", "pullRequest"]));
    let labels =
        |it: &Node| it.get("labels").map(Node::texts).unwrap_or_default().into_iter().map(str::to_owned).collect();
    WriteBack {
        method: said(&["method"]),
        branch: said(&["gitConfig", "branch"]),
        repository: said(&["gitConfig", "repository"]),
        target: said(&["gitConfig", "writeBackTarget"]),
        request: request.map(|it| {
            let forge = ["github", "gitlab"].into_iter().find(|name| it.entries().iter().any(|(key, _)| key == name));
            Request { forge, labels: labels(it), ..Request::default() }
        }),
    }
}
