//! Fleet's image scan: `imageScans` of `fleet.yaml`, `$imagescan` comments, and `GitRepo` objects.
//!
//! Fleet's scanner is an old copy of Flux's, so policies and templates mean the same. A comment names a scan by its `tagName`, whatever file
//! and namespace that is in.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use image::Repository;
use regex::Regex;
use yamlspan::document::{self, NodeKind};
use yamlspan::lines::{self, Lines};

use super::node::{self, Node};
use super::{Choice, Delivery, Form, Image, Import, Input, Place, Source, Spot, alphabetical, semver};
use crate::mark::File;
use crate::marker::Field;
use crate::policy::{Direction, Order, Policy};

const SOURCE: Source = Source::Fleet;

/// The message of its commits, where none is configured.
const MESSAGE: &str = "Update from image update automation";

static COMMENT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"#\s*\{\s*"\$imagescan"\s*:\s*"([^"]+)"\s*\}"#).ok());

/// A field with a comment.
struct Marked {
    scan: String,
    place: Place,
    is_used: bool,
}

pub(super) fn read(input: &Input<'_>, import: &mut Import) {
    let mut marked: HashMap<String, Vec<Marked>> = HashMap::new();
    for it in input.files.iter().flat_map(|file| comments(file, import)) {
        let name = it.scan.split(':').next().unwrap_or_default().to_owned();
        marked.entry(name).or_default().push(it);
    }
    let repositories: Vec<(&File, Node)> = objects(input.files, "GitRepo");
    let is_fleet = |file: &&File| {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        name == "fleet.yaml" || name == "fleet.yml"
    };
    for file in input.asked().filter(is_fleet) {
        for document in node::documents(file) {
            for scan in document.get("imageScans").map(Node::items).unwrap_or_default() {
                one(input, import, &mut marked, &repositories, file, scan);
            }
        }
    }
    for it in marked.into_values().flatten().filter(|it| !it.is_used) {
        let what = format!("the comment {:?}", it.scan);
        import.leave(
            SOURCE,
            &it.place.spot,
            what,
            "no fleet.yaml here has an image scan of that name; the field is not followed",
        );
    }
}

fn objects<'f>(files: &'f [File], kind: &str) -> Vec<(&'f File, Node)> {
    let files = files.iter().filter(|file| memchr::memmem::find(&file.bytes, b"fleet.cattle.io").is_some());
    let documents = files.flat_map(|file| node::documents(file).into_iter().map(move |it| (file, it)));
    documents.filter(|(_, it)| it.text_of("kind") == Some(kind)).collect()
}

fn one(
    input: &Input<'_>,
    import: &mut Import,
    marked: &mut HashMap<String, Vec<Marked>>,
    repositories: &[(&File, Node)],
    file: &File,
    scan: &Node,
) {
    let spot = scan.spot(&file.path);
    let Some(tag_name) = scan.text_of("tagName") else {
        return import.leave(SOURCE, &spot, "an image scan without tagName", "no comment can name it");
    };
    let Some(written) = scan.text_of("image") else {
        return import.leave(SOURCE, &spot, format!("the image scan {tag_name}"), "it has no image");
    };
    let repository = match Repository::parse(written) {
        Ok(repository) => repository,
        Err(error) => return import.leave(SOURCE, &spot, format!("the image scan {tag_name}"), error.to_string()),
    };
    let policy = match policy(scan.get("policy")) {
        Ok(policy) => policy,
        Err(why) => return import.leave(SOURCE, &spot, format!("the policy of {tag_name}"), why),
    };
    let choice = Choice {
        secret: scan.at(&["secretRef", "name"]).and_then(Node::text).map(str::to_owned),
        interval: scan.text_of("interval").map(str::to_owned),
        suspended: scan.flag("suspend") == Some(true),
        ..Choice::default()
    };
    let mut places = Vec::new();
    for it in marked.get_mut(tag_name).into_iter().flatten() {
        it.is_used = true;
        places.push(it.place.clone());
    }
    if places.is_empty() {
        return import.leave(
            SOURCE,
            &spot,
            format!("the image scan {tag_name}"),
            "no comment here names it, so nothing is written for it",
        );
    }
    for (key, node) in scan.entries() {
        let known = ["tagName", "gitrepoName", "image", "interval", "secretRef", "suspend", "policy"];
        if !known.contains(&key.as_str()) {
            import.leave(SOURCE, &node.spot(&file.path), format!("{key} of {tag_name}"), "it has no counterpart");
        }
    }
    let repo = repository_of(repositories, scan.text_of("gitrepoName"), input);
    let (delivery, name) = delivery(repo, input, import);
    import.add(
        &name,
        delivery,
        Image { name: tag_name.to_owned(), repository, policy, choice, spot, source: SOURCE, places },
    );
}

fn policy(node: Option<&Node>) -> Result<Policy, String> {
    let Some(node) = node else { return Err("it has no policy".to_owned()) };
    if let Some(range) = node.at(&["semver", "range"]).and_then(Node::text) {
        return semver(range);
    }
    match node.get("alphabetical").map(|it| it.text_of("order").unwrap_or("asc")) {
        Some(order) if order.eq_ignore_ascii_case("desc") => {
            Ok(Policy { order: Order::Alphabetical(Direction::Descending), ..alphabetical() })
        }
        Some(_) => Ok(alphabetical()),
        None => Err(format!("{} is no policy of Fleet's", node.shown())),
    }
}

/// The `GitRepo` that a scan is in: the one it names, the one whose remote this is, or the only one.
fn repository_of<'r>(
    all: &'r [(&'r File, Node)],
    name: Option<&str>,
    input: &Input<'_>,
) -> Option<&'r (&'r File, Node)> {
    let named = all.iter().find(|(_, it)| it.at(&["metadata", "name"]).and_then(Node::text) == name && name.is_some());
    let here = || all.iter().find(|(_, it)| it.at(&["spec", "repo"]).and_then(Node::text).is_some_and(input.is_here));
    named.or_else(here).or(if all.len() == 1 { all.first() } else { None })
}

fn delivery(repo: Option<&(&File, Node)>, input: &Input<'_>, import: &mut Import) -> (Delivery, String) {
    let message = Some(MESSAGE.to_owned());
    let Some((file, repo)) = repo else { return (Delivery { message, ..Delivery::default() }, "fleet".to_owned()) };
    let text = |keys: &[&str]| repo.at(keys).and_then(Node::text).map(str::to_owned);
    let name = text(&["metadata", "name"]).unwrap_or_else(|| "fleet".to_owned());
    // The comments are in the files that are read, wherever the object says that its remote is.
    if let Some(url) = repo.at(&["spec", "repo"]).filter(|url| url.text().is_some_and(|url| !(input.is_here)(url))) {
        let why = "its remote is another one than that of the checkout, which is written";
        import.leave(SOURCE, &url.spot(&file.path), format!("repo of the GitRepo {name}"), why);
    }
    let name_of = text(&["spec", "imageScanCommit", "authorName"]);
    let email = text(&["spec", "imageScanCommit", "authorEmail"]);
    if let Some(node) = repo.at(&["spec", "clientSecretName"]) {
        let why = "name a secret with the remote's login under `git.secretRef`, or give it to the machine";
        import.leave(SOURCE, &node.spot(&file.path), format!("clientSecretName of the GitRepo {name}"), why);
    }
    let delivery = Delivery {
        branch: text(&["spec", "branch"]),
        message: text(&["spec", "imageScanCommit", "messageTemplate"]).filter(|it| !it.is_empty()).or(message),
        author: email.map(|email| (name_of.unwrap_or_default(), email)).filter(|(name, _)| !name.is_empty()),
        interval: text(&["spec", "imageScanInterval"]).or_else(|| text(&["spec", "imageSyncInterval"])),
        ..Delivery::default()
    };
    (delivery, name)
}

/// The fields of a file that have a comment.
fn comments(file: &File, import: &mut Import) -> Vec<Marked> {
    let Ok(text) = std::str::from_utf8(&file.bytes) else { return Vec::new() };
    if !text.contains("$imagescan") {
        return Vec::new();
    }
    let Some(pattern) = COMMENT.as_ref() else { return Vec::new() };
    let lines = Lines::of(text);
    let mut found = Vec::new();
    for span in lines::documents(text, &lines) {
        let Ok(document) = document::parse(&text[span.clone()]) else { continue };
        let scalars = document.nodes.iter().filter(|it| matches!(it.kind, NodeKind::Scalar(_)) && !it.in_key);
        let scalars = scalars.map(|it| it.span.start + span.start..it.span.end + span.start);
        let scalars: Vec<Range<usize>> = scalars.filter(|it| !it.is_empty()).collect();
        for comment in &document.comments {
            let comment = comment.start + span.start..comment.end + span.start;
            let Some(named) = pattern.captures(&text[comment.clone()]).and_then(|it| it.get(1)) else { continue };
            let line = lines.position(text, comment.start).line;
            let before = scalars.partition_point(|it| it.start < comment.start);
            let last = scalars[..before].last().filter(|it| it.end <= comment.start);
            let Some(scalar) = last.filter(|it| lines.position(text, it.start).line == line) else {
                let spot = Spot { file: file.path.clone(), line };
                let what = format!("the comment {:?}", named.as_str());
                import.leave(SOURCE, &spot, what, "no value stands before it on its line, so that none is set");
                continue;
            };
            let field = match named.as_str().split_once(':') {
                Some((_, "tag")) => Field::Tag,
                Some((_, "name")) => Field::Name,
                Some((_, "digest")) => Field::Digest,
                _ => Field::Image,
            };
            let form = Form::Comment { comment, scalar: scalar.start, field };
            let spot = Spot { file: file.path.clone(), line };
            let place = Place { path: file.path.clone(), spot, form };
            found.push(Marked { scan: named.as_str().to_owned(), place, is_used: false });
        }
    }
    found
}
