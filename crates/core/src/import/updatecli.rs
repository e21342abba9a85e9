//! Updatecli's manifests: sources of kind `dockerimage`, and the targets of kind `yaml` that write what these select.

use std::collections::{HashMap, HashSet};

use image::Repository;

use super::node::{self, Node};
use super::updatecli_commit::{Titled, author, message};
use super::{
    Choice, Delivery, Form, Image, Import, Input, Place, Request, Source, alphabetical, among, place, semver, short,
};
use crate::mark::File;
use crate::marker::Field;
use crate::policy::Policy;

pub(super) const SOURCE: Source = Source::Updatecli;

pub(super) fn read(input: &Input<'_>, import: &mut Import) {
    for file in input.asked().filter(|file| memchr::memmem::find(&file.bytes, b"dockerimage").is_some()) {
        for document in node::documents(file) {
            if document.get("sources").is_some() && document.get("targets").is_some() {
                manifest(input, import, file, &document);
            }
        }
    }
}

fn manifest(input: &Input<'_>, import: &mut Import, file: &File, document: &Node) {
    let sources = document.get("sources").map(Node::entries).unwrap_or_default();
    let targets = document.get("targets").map(Node::entries).unwrap_or_default();
    let name = document.text_of("name").filter(|it| !it.contains("{{")).unwrap_or("updatecli");
    for (key, node) in document.entries().iter().filter(|(key, _)| !TOP.contains(&key.as_str())) {
        import.leave(SOURCE, &node.spot(&file.path), key.as_str(), "it has no counterpart");
    }
    let mut own: HashMap<&str, Vec<&(String, Node)>> = HashMap::new();
    for target in targets {
        let only = sources.first().filter(|_| sources.len() == 1).map(|(id, _)| id.as_str());
        if let Some(id) = source_of(&target.1).or(only) {
            own.entry(id).or_default().push(target);
        }
    }
    let known: HashSet<&str> = sources.iter().map(|(id, _)| id.as_str()).collect();
    for (id, source) in sources {
        let spot = source.spot(&file.path);
        if source.text_of("kind") != Some("dockerimage") {
            import.leave(
                SOURCE,
                &spot,
                format!("the source {id}"),
                "it is of another kind than dockerimage, and stays Updatecli's",
            );
            continue;
        }
        let read = match image(import, file, id, source) {
            Ok(read) => read,
            Err(why) => {
                import.leave(SOURCE, &spot, format!("the source {id}"), why);
                continue;
            }
        };
        let own = own.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
        for (target_id, target) in own.iter().copied() {
            let Some(places) = places(import, file, input, target_id, target, &read) else { continue };
            let scm = scm_of(target);
            let mut delivery = delivery(input, import, file, document, scm);
            if let Some(scm) = scm.and_then(|id| document.at(&["scms", id])) {
                // What is proposed together is one commit here.
                let others = targets.iter().filter(|(_, it)| scm_of(it) == scm_of(target)).count() - 1;
                let is_alone = others == 0 || (delivery.request.is_none() && delivery.push_branch.is_none());
                let of = Titled { id: target_id, target, source: id, is_alone };
                delivery.message = message(import, file, scm, &of);
            }
            let (repository, policy) = (read.repository.clone(), read.policy.clone());
            let choice = Choice { platforms: read.platforms.clone(), ..Choice::default() };
            let image = Image {
                name: short(&repository).to_owned(),
                repository,
                policy,
                choice,
                spot: spot.clone(),
                source: SOURCE,
                places,
            };
            import.add(name, delivery, image);
        }
        if own.is_empty() {
            import.leave(SOURCE, &spot, format!("the source {id}"), "no target writes it");
        }
    }
    for (id, condition) in document.get("conditions").map(Node::entries).unwrap_or_default() {
        let spot = condition.spot(&file.path);
        let is_there = condition.text_of("kind") == Some("dockerimage");
        if !is_there {
            import.leave(
                SOURCE,
                &spot,
                format!("the condition {id}"),
                "there are no conditions; a field that does not fit is reported, and left alone",
            );
        }
    }
    for (id, target) in targets {
        if source_of(target).is_some_and(|named| !known.contains(named)) {
            import.leave(
                SOURCE,
                &target.spot(&file.path),
                format!("the target {id}"),
                "its source is not in this manifest",
            );
        }
    }
}

/// What a manifest has; the rest says nothing of images.
const TOP: [&str; 9] =
    ["name", "pipelineid", "title", "sources", "conditions", "targets", "scms", "actions", "pullrequests"];

/// The source that a target names.
fn source_of(target: &Node) -> Option<&str> {
    target.text_of("sourceid").or_else(|| target.text_of("sourceID"))
}

/// The SCM that a target names.
fn scm_of(target: &Node) -> Option<&str> {
    target.text_of("scmid").or_else(|| target.text_of("scmID"))
}

/// What a source selects.
struct Selected {
    repository: Repository,
    policy: Policy,
    platforms: Vec<String>,
    /// What is put before the selection, as in `ghcr.io/acme/web:`.
    prefix: String,
}

fn image(import: &mut Import, file: &File, id: &str, source: &Node) -> Result<Selected, String> {
    let spec = source.get("spec").ok_or("it has no spec")?;
    let image = spec.text_of("image").ok_or("it has no image")?;
    if image.contains("{{") {
        return Err(format!("{image} is a template, whose values are not known here"));
    }
    let repository = Repository::parse(image).map_err(|error| error.to_string())?;
    if let Some(key) = other_transformer(source) {
        return Err(format!("its transformer {key} has no counterpart"));
    }
    let filter = spec.get("versionfilter").or_else(|| spec.get("versionFilter"));
    let tags = spec.text_of("tagfilter").or_else(|| spec.text_of("tagFilter"));
    let kind = filter.and_then(|it| it.text_of("kind")).unwrap_or("latest");
    let pattern = filter.and_then(|it| it.text_of("pattern"));
    let spot = filter.unwrap_or(spec).spot(&file.path);
    if [pattern, tags].into_iter().flatten().any(|it| it.contains("{{")) {
        return Err("its filter is a template, whose values are not known here".to_owned());
    }
    let leave_tags = |import: &mut Import, which: &str| {
        let why = format!("the {which} of its versionfilter counts alone; write both into one");
        import.leave(SOURCE, &spot, format!("tagfilter of {id}"), why);
    };
    let policy = match kind {
        "semver" => semver(pattern.unwrap_or("*"))?,
        "regex" => {
            let pattern = pattern.unwrap_or(".*");
            if tags.is_some() {
                leave_tags(import, "pattern");
            }
            among(alphabetical(), pattern, "")?
        }
        "regex/semver" => {
            let regex = filter.and_then(|it| it.text_of("regex")).ok_or("its versionfilter has no regex")?;
            let version =
                regex::Regex::new(regex).map_err(|_| format!("{regex} is no pattern that can be read here"))?;
            // The first group is the version, or else what matches.
            let extract = if version.captures_len() == 1 { "" } else { "$1" };
            if tags.is_some() {
                leave_tags(import, "regex");
            }
            among(semver(pattern.unwrap_or("*"))?, regex, extract)?
        }
        "latest" if pattern.is_none_or(|it| it == "latest") => {
            let why = "Updatecli takes the last tag as the registry lists them, which is mostly the last by name; so it is here, and a range or `newest` is better";
            import.leave(SOURCE, &spot, format!("versionfilter: latest of {id}"), why);
            alphabetical()
        }
        // Any other pattern of `latest` is the tag itself.
        "latest" => among(alphabetical(), &format!("^{}$", regex::escape(pattern.unwrap_or_default())), "")?,
        "lex" => alphabetical(),
        other => return Err(format!("its versionfilter {other} has no counterpart; say what to follow in a policy")),
    };
    let policy = match tags.filter(|_| policy.filter.is_none()) {
        Some(tags) => among(policy, tags, "")?,
        None => policy,
    };
    for (key, node) in spec.entries() {
        let known =
            ["image", "versionfilter", "versionFilter", "tagfilter", "tagFilter", "architecture", "architectures"];
        if !known.contains(&key.as_str()) {
            let why = match key.as_str() {
                "username" | "password" | "token" => {
                    "name a secret under `secretRef` of the image, or give the login to the machine"
                }
                _ => "it has no counterpart",
            };
            import.leave(SOURCE, &node.spot(&file.path), format!("{key} of the source {id}"), why);
        }
    }
    let of_filter = filter.map(Node::entries).unwrap_or_default();
    for (key, node) in of_filter.iter().filter(|(key, _)| !["kind", "pattern", "regex"].contains(&key.as_str())) {
        let what = format!("versionfilter: {key} of the source {id}");
        import.leave(SOURCE, &node.spot(&file.path), what, "it has no counterpart");
    }
    leave_all(import, file, source, &["kind", "name", "spec", "transformers"], &format!("the source {id}"));
    Ok(Selected { repository, policy, platforms: platforms(spec), prefix: prefix(source) })
}

/// Notes all but these keys of a source or target.
fn leave_all(import: &mut Import, file: &File, node: &Node, taken: &[&str], of: &str) {
    for (key, node) in node.entries().iter().filter(|(key, _)| !taken.contains(&key.to_lowercase().as_str())) {
        let why = match key.as_str() {
            "dependson" | "dependsOn" => {
                "all images are looked at together; `batch` and groups say what is committed together"
            }
            _ => "it has no counterpart",
        };
        import.leave(SOURCE, &node.spot(&file.path), format!("{key} of {of}"), why);
    }
}

/// A transformer that does something else than to put a text before.
fn other_transformer(node: &Node) -> Option<&str> {
    let all = node.get("transformers").into_iter().flat_map(Node::items).flat_map(Node::entries);
    all.map(|(key, _)| key.as_str()).find(|key| !key.eq_ignore_ascii_case("addprefix"))
}

fn platforms(spec: &Node) -> Vec<String> {
    let all = ["architecture", "architectures"].into_iter().filter_map(|key| spec.get(key)).flat_map(Node::texts);
    all.map(|it| if it.contains('/') { it.to_owned() } else { format!("linux/{it}") }).collect()
}

/// What the transformers put before a text; only that has a meaning for images.
fn prefix(node: &Node) -> String {
    let transformers = node.get("transformers").map(Node::items).unwrap_or_default();
    transformers.iter().filter_map(|it| it.text_of("addprefix").or_else(|| it.text_of("addPrefix"))).collect()
}

fn places(
    import: &mut Import,
    file: &File,
    input: &Input<'_>,
    id: &str,
    target: &Node,
    selected: &Selected,
) -> Option<Vec<Place>> {
    let spot = target.spot(&file.path);
    let mut leave = |why: String| import.leave(SOURCE, &spot, format!("the target {id}"), why);
    let Some(spec) = target.get("spec") else {
        leave("it has no spec".to_owned());
        return None;
    };
    if target.text_of("kind") != Some("yaml") {
        leave("only targets of kind yaml are written here; the others stay Updatecli's".to_owned());
        return None;
    }
    if let Some(key) = other_transformer(target) {
        leave(format!("its transformer {key} has no counterpart"));
        return None;
    }
    let prefix = prefix(target) + &selected.prefix;
    let field = match prefix.strip_suffix(':') {
        None if prefix.is_empty() => Field::Tag,
        Some(name) if name == selected.repository.name() => Field::Image,
        _ => {
            leave(format!("it writes {prefix:?} before the tag, which is not the name of the image"));
            return None;
        }
    };
    let (mut files, mut keys) = (Vec::new(), Vec::new());
    for name in ["file", "files"] {
        files.extend(spec.get(name).into_iter().flat_map(Node::texts));
    }
    for name in ["key", "keys"] {
        keys.extend(spec.get(name).into_iter().flat_map(Node::texts));
    }
    // Theirs are counted from 0.
    let document = ["documentindex", "documentIndex"].into_iter().find_map(|key| spec.text_of(key));
    let document = document.and_then(|it| it.parse::<usize>().ok()?.checked_add(1));
    let mut places = Vec::new();
    for path in &files {
        for key in &keys {
            let Some(path) = place::joined("", path) else {
                leave(format!("{path} leaves the repository"));
                continue;
            };
            if path.contains("{{") || key.contains("{{") {
                leave(format!("{path} {key} is a template, whose values are not known here"));
                continue;
            }
            // Where the value is a whole image, the tag of that is written.
            let form = |field| Form::At { at: at(key), field, document };
            let value = input.known.tag_at(&path, &form(Field::Tag), &selected.repository);
            let is_whole = value.is_some_and(|it| it.starts_with(&format!("{}:", selected.repository.name())));
            let form = form(if is_whole { Field::Image } else { field });
            places.push(Place { path, spot: spot.clone(), form });
        }
    }
    let taken = ["kind", "name", "spec", "sourceid", "scmid", "transformers"];
    leave_all(import, file, target, &taken, &format!("the target {id}"));
    // Both engines read such keys.
    let known = ["file", "files", "key", "keys", "documentindex", "engine"];
    leave_all(import, file, spec, &known, &format!("the target {id}"));
    Some(places)
}

/// A key of theirs: `$.a.b[0]`, `$['a.b'].c`, or the older `a.b[0]` where `\.` is a dot of a key.
fn at(key: &str) -> String {
    let rest = key.strip_prefix('$').map_or(key, |rest| rest.strip_prefix('.').unwrap_or(rest));
    // Each step, and whether it stands in brackets without quotes: a position.
    let mut steps: Vec<(String, bool)> = vec![(String::new(), false)];
    let mut chars = rest.chars().peekable();
    let (mut quote, mut is_quoted) = (None, false);
    while let Some(c) = chars.next() {
        let last = steps.len() - 1;
        match c {
            '\'' | '"' if quote.is_none_or(|open| open == c) => {
                quote = if quote.is_some() { None } else { Some(c) };
                is_quoted = true;
            }
            '\\' if chars.peek() == Some(&'.') => steps[last].0.extend(chars.next()),
            '.' | '[' if quote.is_none() => {
                is_quoted = false;
                steps.push((String::new(), false));
            }
            ']' if quote.is_none() => steps[last].1 = !is_quoted,
            c => steps[last].0.push(c),
        }
    }
    let step = |(name, is_position): &(String, bool)| match is_position {
        true => format!("[{name}]"),
        false => quoted(name),
    };
    format!("${}", steps.iter().map(step).collect::<String>())
}

fn quoted(name: &str) -> String {
    match name {
        "" => String::new(),
        name if name.contains('.') => format!("['{name}']"),
        name => format!(".{name}"),
    }
}

/// How an SCM commits, and whether an action proposes it.
fn delivery(input: &Input<'_>, import: &mut Import, file: &File, document: &Node, scm: Option<&str>) -> Delivery {
    let Some(id) = scm else { return Delivery::default() };
    let Some(node) = document.at(&["scms", id]) else {
        let spot = document.get("targets").unwrap_or(document).spot(&file.path);
        import.leave(SOURCE, &spot, format!("scmid: {id}"), "no scm of the manifest has this name");
        return Delivery::default();
    };
    let spot = node.spot(&file.path);
    let kind = node.text_of("kind").unwrap_or_default();
    let Some(spec) = node.get("spec") else { return Delivery::default() };
    let plain = |key: &str| spec.text_of(key).filter(|it| !it.contains("{{")).map(str::to_owned);
    let url = match kind {
        "git" => plain("url"),
        _ => {
            let host = match kind {
                "gitlab" => "https://gitlab.com",
                _ => "https://github.com",
            };
            let host = plain("url")
                .map_or(host.to_owned(), |url| if url.contains("://") { url } else { format!("https://{url}") });
            plain("owner").zip(plain("repository")).map(|(owner, name)| format!("{host}/{owner}/{name}.git"))
        }
    };
    for (key, value) in spec.entries() {
        let is_template = value.text().is_some_and(|it| it.contains("{{"));
        let why = match key.as_str() {
            "token" | "username" | "password" | "privatekey" | "privateKey" => {
                "name a secret with the remote's login under `git.secretRef`, or give it to the machine"
            }
            "user" | "email" | "branch" | "url" | "owner" | "repository" if is_template => {
                "it is a template, whose values are not known here; write the value"
            }
            "gpg" => "`git.commit.signingKey` names the secret with the key",
            "commitMessage" | "commitmessage" | "workingbranch" | "workingBranch" | "force" | "directory"
            | "submodules" | "user" | "email" | "branch" | "url" | "owner" | "repository" => {
                continue;
            }
            _ => "it has no counterpart",
        };
        import.leave(SOURCE, &value.spot(&file.path), format!("{key} of the scm {id}"), why);
    }
    let action =
        document.get("actions").or_else(|| document.get("pullrequests")).map(Node::entries).unwrap_or_default();
    let own = action.iter().find(|(_, it)| it.text_of("scmid").or_else(|| it.text_of("scmID")) == Some(id));
    let request = own.map(|(_, it)| request(it));
    if let Some((_, action)) = own {
        let known = ["labels", "automerge", "draft", "reviewers", "assignees"];
        for (key, node) in action.get("spec").map(Node::entries).unwrap_or_default() {
            if !known.contains(&key.as_str()) {
                let why = "write it under `git.push.pullRequest`, where it has a counterpart";
                import.leave(SOURCE, &node.spot(&file.path), format!("{key} of the action for {id}"), why);
            }
        }
    }
    let url = url.filter(|url| !(input.is_here)(url));
    if url.is_some() {
        import.leave(SOURCE, &spot, format!("the scm {id}"), "it is another repository than the checkout, so its fields are not looked up; try them with `tagwright check`");
    }
    let branch = plain("branch");
    // Unless told otherwise, Updatecli commits to a branch of its own; a request has one by itself.
    let is_direct = spec.flag("workingbranch").or_else(|| spec.flag("workingBranch")) == Some(false);
    let push_branch = (request.is_none() && !is_direct).then(|| {
        let pipeline = document.text_of("pipelineid").map(|id| format!("_{id}")).unwrap_or_default();
        let own = format!("updatecli_{}{pipeline}", branch.as_deref().unwrap_or("main"));
        let why = format!("Updatecli commits to a branch of its own, which is {own} here; take `git.push.branch` out to commit to the one that is read");
        import.leave(SOURCE, &spot, format!("the branch of the scm {id}"), why);
        own
    });
    Delivery { url, branch, push_branch, request, author: author(spec), ..Delivery::default() }
}

fn request(action: &Node) -> Request {
    let spec = action.get("spec");
    let texts = |key: &str| spec.and_then(|it| it.get(key)).map(Node::texts).unwrap_or_default();
    let owned = |key: &str| texts(key).into_iter().map(str::to_owned).collect();
    let flag = |key: &str| spec.and_then(|it| it.flag(key)) == Some(true);
    let kind = action.text_of("kind").and_then(|it| it.split('/').next()).unwrap_or_default();
    Request {
        forge: ["github", "gitlab", "gitea", "bitbucket"].into_iter().find(|it| *it == kind),
        labels: owned("labels"),
        reviewers: owned("reviewers"),
        assignees: owned("assignees"),
        auto_merge: flag("automerge"),
        draft: flag("draft"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_updatecli_reads_them() {
        for (key, expect) in [
            ("$.image.tag", "$.image.tag"),
            ("image.tag", "$.image.tag"),
            ("$.a[0].b", "$.a[0].b"),
            ("a\\.b.c", "$['a.b'].c"),
            ("$.'a.b'.c", "$['a.b'].c"),
            ("$['a.b'][0].c", "$['a.b'][0].c"),
            ("$[\"a\"].b[2][1]", "$.a.b[2][1]"),
        ] {
            assert_eq!(at(key), expect);
        }
    }
}
