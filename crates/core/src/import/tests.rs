//! What neighbours say, as policies; whole repositories are in `fixtures/import`.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::inventory;
use crate::mark::policies::Dialect;
use yaml_rust2::YamlLoader;

mod harm;
mod notes;
mod variations;

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), bytes: text.into(), inventory: inventory::find(text.as_bytes()) }
}

fn read_all(files: &[(&str, &str)]) -> Import {
    let files: Vec<File> = files.iter().map(|(path, text)| file(path, text)).collect();
    read(&Input::of(&files, &|_| true, &|_| true))
}

/// The policies in one line each, and what was left.
fn shown(import: &Import) -> String {
    let images = import.automations.iter().flat_map(|it| &it.images);
    let images = images.map(|it| format!("{} {}: {}\n", it.name, it.repository, document::clause(it)));
    let left = import.left.iter().map(|it| format!("left {}:{} {}\n", it.spot.file, it.spot.line, it.what));
    images.chain(left).collect()
}

fn annotations(lines: &str) -> String {
    let lines: String =
        lines.lines().map(|line| format!("    argocd-image-updater.argoproj.io/{}\n", line.trim())).collect();
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: web\n  annotations:\n{lines}spec:\n  source:\n    \
         repoURL: https://git.example.com/acme/config.git\n    path: apps/web\n    kustomize:\n      images:\n        - ghcr.io/acme/web:1.4.0\n"
    )
}

#[test]
fn strategies_of_argocd_image_updater_are_policies() {
    for (lines, expect) in [
        ("image-list: web=ghcr.io/acme/web:1.x", "semver 1.x"),
        ("image-list: web=ghcr.io/acme/web:>=1.0.0", "semver >=1.0.0"),
        ("image-list: ghcr.io/acme/web", "semver *"),
        ("image-list: web=ghcr.io/acme/web\n web.update-strategy: newest-build", "newest"),
        ("image-list: web=ghcr.io/acme/web\n web.update-strategy: latest", "newest"),
        ("image-list: web=ghcr.io/acme/web\n web.update-strategy: name", "alphabetical"),
        ("image-list: web=ghcr.io/acme/web\n update-strategy: alphabetical", "alphabetical"),
        (
            "image-list: web=ghcr.io/acme/web:main\n web.update-strategy: digest",
            "alphabetical of tags like ^main$, with digests",
        ),
        ("image-list: web=ghcr.io/acme/web\n web.allow-tags: regexp:^v[0-9.]+$", "semver * of tags like ^v[0-9.]+$"),
        ("image-list: web=ghcr.io/acme/web\n web.tag-match: ^v1", "semver * of tags like ^v1"),
    ] {
        let import = read_all(&[("argocd/web.yaml", &annotations(lines))]);
        assert_eq!(document::clause(&import.automations[0].images[0]), expect, "{lines}: {import:?}");
    }
}

/// What lets no tag through there lets none through here: nothing is followed, and it is said.
#[test]
fn what_matches_nothing_is_not_followed() {
    for lines in [
        "image-list: web=ghcr.io/acme/web\n web.allow-tags: regexp:(",
        "image-list: web=ghcr.io/acme/web\n web.allow-tags: ^v1",
        "image-list: web=ghcr.io/acme/web\n web.update-strategy: digest",
        "image-list: web=ghcr.io/acme/WEB:1.x",
    ] {
        let import = read_all(&[("argocd/web.yaml", &annotations(lines))]);
        assert!(import.automations.is_empty() && !import.left.is_empty(), "{lines}: {import:?}");
    }
}

/// Objects are read in place of annotations, unless they say that these count.
#[test]
fn annotations_count_where_objects_say_so() {
    let app = annotations("image-list: web=ghcr.io/acme/web:1.x");
    let updater = |more: &str| {
        format!(
            "apiVersion: argocd-image-updater.argoproj.io/v1alpha1\nkind: ImageUpdater\nmetadata: {{name: all}}\nspec:\n  applicationRefs:\n    \
             - {{namePattern: '*', images: [{{alias: all, imageName: 'ghcr.io/acme/web:2.x'}}]}}\n    - {{namePattern: 'we*', {more}}}\n"
        )
    };
    for (more, expect) in [
        ("useAnnotations: true", "semver 1.x"),
        ("images: [{alias: web, imageName: 'ghcr.io/acme/web:~3.1'}]", "semver ~3.1"),
        (
            "commonUpdateSettings: {updateStrategy: digest, ignoreTags: ['x*']}, images: [{alias: web, imageName: 'ghcr.io/acme/web:main'}]",
            "alphabetical of tags like ^main$, with digests",
        ),
    ] {
        let import = read_all(&[("a.yaml", &app), ("b.yaml", &updater(more))]);
        let clauses: Vec<String> = import.automations.iter().flat_map(|it| &it.images).map(document::clause).collect();
        assert_eq!(clauses, [expect], "{more}: {}", shown(&import));
    }
}

/// An Application is found by how its name begins, and only where the pattern as a whole fits it.
#[test]
fn an_updater_means_applications_by_name_and_namespace() {
    let app = annotations("x: y");
    for (pattern, within, expect) in [
        ("web", "", true),
        ("we", "", false),
        ("w*", "", true),
        ("*eb", "", true),
        ("w?b", "", true),
        ("we[a-c]", "", true),
        ("we[x-z]", "", false),
        ("{web,api}", "", true),
        ("{api,www}", "", false),
        (r"\w\e\b", "", true),
        ("web", "argocd", true),
        ("web", "elsewhere", false),
    ] {
        let namespaced = match within {
            "" => app.clone(),
            _ => app.replace("  name: web\n", "  name: web\n  namespace: argocd\n"),
        };
        let of_updater = if within.is_empty() { String::new() } else { format!(", namespace: {within}") };
        let updater = format!(
            "apiVersion: argocd-image-updater.argoproj.io/v1alpha1\nkind: ImageUpdater\nmetadata: {{name: all{of_updater}}}\nspec:\n  \
             applicationRefs:\n    - {{namePattern: '{pattern}', images: [{{alias: web, imageName: 'ghcr.io/acme/web:2.x'}}]}}\n"
        );
        let import = read_all(&[("a.yaml", &namespaced), ("b.yaml", &updater)]);
        assert_eq!(!import.automations.is_empty(), expect, "{pattern} in {within}: {}", shown(&import));
    }
}

/// The document of files, whose remote is `https://git.example.com/acme/config.git`.
fn written(files: &[(&str, &str)], dialect: Dialect) -> String {
    let files: Vec<File> = files.iter().map(|(path, text)| file(path, text)).collect();
    let url = "https://git.example.com/acme/config.git";
    let mut found = read(&Input::of(&files, &|_| true, &|it| it == url));
    settle(&files, &mut found, "default", dialect, Fields::Markers);
    let target = document::Target {
        namespace: "default".to_owned(),
        url: Some(url.to_owned()),
        branch: Some("main".to_owned()),
        asked: vec![String::new()],
        requests: |_, request| (Some(request), Vec::new()),
    };
    document::document(dialect, &found, &target).unwrap().0
}

#[test]
fn commits_are_made_as_they_were() {
    let app = annotations("image-list: web=ghcr.io/acme/web:1.x\n write-back-method: git\n git-branch: main:updates");
    let config = "kind: ConfigMap\nmetadata: {name: argocd-image-updater-config}\ndata:\n  git.user: Bot\n  git.email: bot@example.com\n  \
                  git.commit-sign-off: 'true'\n  git.commit-message-template: 'build: {{ .AppName }}'\n  interval: 2m\n";
    let native = written(&[("a.yaml", &app), ("c.yaml", config)], Dialect::Native);
    let expect = "  name: web\n  namespace: default\nspec:\n  interval: 2m\n  git:\n    url: https://git.example.com/acme/config.git\n    \
                  branch: main\n    push:\n      branch: updates\n    commit:\n      author:\n        name: Bot\n        email: 'bot@example.com'\n      \
                  message: |-\n        build: web\n      signedOffBy: true\n";
    assert!(native.contains(expect), "{native}");

    let updater = "kind: ImageUpdater\napiVersion: argocd-image-updater.argoproj.io/v1alpha1\nmetadata: {name: all}\nspec:\n  writeBackConfig:\n    \
                   method: git\n    gitConfig: {branch: main, pullRequest: {gitlab: {}, labels: [images]}}\n  applicationRefs:\n    \
                   - {namePattern: web, images: [{alias: web, imageName: 'ghcr.io/acme/web:1.x'}]}\n";
    let native = written(&[("a.yaml", &annotations("x: y")), ("b.yaml", updater)], Dialect::Native);
    let expect =
        "    push:\n      pullRequest:\n        forge:\n          kind: gitlab\n        labels:\n          - images\n";
    assert!(native.contains(expect), "{native}");
    let flux = written(&[("a.yaml", &annotations("x: y")), ("b.yaml", updater)], Dialect::Flux);
    let expect = "    tagwright.dev/pull-request: 'true'\n    tagwright.dev/pull-request-forge: 'gitlab'\n    \
                  tagwright.dev/pull-request-labels: 'images'\n";
    assert!(flux.contains(expect) && !flux.contains("    push:\n"), "{flux}");
}

/// Where the files are in another repository, targets say what the annotations say of them.
#[test]
fn files_elsewhere_are_targets() {
    let app = annotations(
        "image-list: web=ghcr.io/acme/web:1.x\n write-back-method: git\n write-back-target: helmvalues:../values/prod.yaml\n \
         web.helm.image-tag: web.tag\n git-repository: https://git.example.com/acme/values.git",
    );
    let native = written(&[("a.yaml", &app)], Dialect::Native);
    assert!(native.contains("url: https://git.example.com/acme/values.git\n"), "{native}");
    assert!(
        native.contains("- helmValues: apps/values/prod.yaml\n          keys:\n            tag: web.tag\n"),
        "{native}"
    );
    let out = app.replace("../values", "../../../values");
    assert!(
        !written(&[("a.yaml", &out)], Dialect::Native).contains("values/prod.yaml"),
        "a path that leaves the repository"
    );
}

/// A file of the checkout that has the path of one elsewhere is another file: it gets no marker.
#[test]
fn files_here_are_none_of_those_elsewhere() {
    let values = "web:\n  tag: 1.4.0\n";
    let app = annotations(
        "image-list: web=ghcr.io/acme/web:1.x\n write-back-method: git\n write-back-target: helmvalues:../values/prod.yaml\n \
         web.helm.image-tag: web.tag\n git-repository: https://git.example.com/acme/values.git",
    );
    let kustomization = "images:\n  - name: ghcr.io/acme/web\n    newTag: 1.4.0\n";
    let of_folder = app.replace("helmvalues:../values/prod.yaml", "kustomization");
    for (app, path, text) in
        [(&app, "apps/values/prod.yaml", values), (&of_folder, "apps/web/kustomization.yaml", kustomization)]
    {
        let files = [file("a.yaml", app), file(path, text)];
        let url = "https://git.example.com/acme/config.git";
        for dialect in [Dialect::Native, Dialect::Flux] {
            let mut found = read(&Input::of(&files, &|_| true, &|it| it == url));
            let settled = settle(&files, &mut found, "default", dialect, Fields::Markers);
            assert!(settled.edits.is_empty(), "{path}: {:?}", settled.edits);
            let targets = found.automations.iter().flat_map(|it| &it.images).map(|it| it.places.len()).sum::<usize>();
            assert_eq!(targets, usize::from(dialect == Dialect::Native), "{path}: {found:?}");
        }
    }
    // The tag stands in the Application of this repository, whatever its source is.
    let app = annotations("image-list: web=ghcr.io/acme/web:1.x").replace("acme/config.git", "acme/charts.git");
    let native = written(&[("a.yaml", &app)], Dialect::Native);
    assert!(native.contains("url: https://git.example.com/acme/config.git\n"), "{native}");
}

#[test]
fn labels_of_keel_are_policies() {
    for (policy, tag, expect) in [
        ("major", "1.4.2", "semver >=1.4.2"),
        ("minor", "0.4.2", "semver >=0.4.2, <1.0.0"),
        ("patch", "v1.4.2", "semver ~1.4.2"),
        ("all", "1.4.2", "semver >=1.4.2-0"),
        (
            "minor",
            "1.4.2-alpine",
            r"semver >=1.4.2, <2.0.0 of tags like ^(?P<version>v?[0-9]+\.[0-9]+\.[0-9]+)\-alpine$",
        ),
        ("force", "latest", "newest"),
        ("glob:build-*", "build-1", "newest of tags like ^build\\-.*$"),
        (r"regexp:^([0-9]+)-(?<compare>[0-9]+)$", "1-2", r"alphabetical of tags like ^([0-9]+)-(?P<compare>[0-9]+)$"),
        ("minor", "latest", ""),
        ("never", "1.4.2", ""),
    ] {
        let text = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  labels:\n    keel.sh/policy: '{policy}'\nspec:\n  template:\n    \
             spec:\n      containers:\n        - name: web\n          image: ghcr.io/acme/web:{tag}\n"
        );
        let import = read_all(&[("web.yaml", &text)]);
        let found = import.automations.first().map(|it| document::clause(&it.images[0])).unwrap_or_default();
        assert_eq!(found, expect, "{policy} {tag}: {}", shown(&import));
    }
}

#[test]
fn rules_of_renovate_narrow_what_a_tag_suggests() {
    let compose = "services:\n  db:\n    image: postgres:14.2\n  web:\n    image: ghcr.io/acme/web:1.4.0\n";
    for (config, expect) in [
        ("{}", "postgres postgres: semver ^14.2.0"),
        (
            r#"{"packageRules": [{"matchPackageNames": ["postgres"], "allowedVersions": "<14.5"}]}"#,
            "semver ^14.2.0, <14.5",
        ),
        (
            r#"{"packageRules": [{"matchUpdateTypes": ["major", "minor"], "enabled": false}]}"#,
            "web ghcr.io/acme/web: semver ~1.4.0",
        ),
        (r#"{"ignoreDeps": ["postgres"]}"#, "web ghcr.io/acme/web: semver ^1.4.0"),
        (
            r#"{"extends": ["docker:pinDigests"], "packageRules": [{"matchPackageNames": ["/acme/"], "enabled": false}]}"#,
            "with digests",
        ),
        ("{// as people write it\n\t'docker-compose': {enabled: true,},}", "web ghcr.io/acme/web: semver ^1.4.0"),
    ] {
        let import = read_all(&[("renovate.json", config), ("compose.yaml", compose)]);
        assert!(shown(&import).contains(expect), "{config}: {}", shown(&import));
    }
    let off = r#"{"enabledManagers": ["kustomize"]}"#;
    assert!(read_all(&[("renovate.json", off), ("compose.yaml", compose)]).automations.is_empty());
}

/// Reads, settles and writes files in every way; only comments may be new, and what is written is YAML.
fn whole_way(files: &[(&str, &str)]) {
    let files: Vec<File> = files.iter().map(|(path, text)| file(path, text)).collect();
    for (dialect, fields) in
        [(Dialect::Native, Fields::Markers), (Dialect::Native, Fields::Targets), (Dialect::Flux, Fields::Markers)]
    {
        let mut found = read(&Input::of(&files, &|_| true, &|_| true));
        let settled = settle(&files, &mut found, "default", dialect, fields);
        for edit in &settled.edits {
            let (old, new) = (std::str::from_utf8(&edit.old).unwrap(), std::str::from_utf8(&edit.new).unwrap());
            assert_eq!(YamlLoader::load_from_str(old).unwrap(), YamlLoader::load_from_str(new).unwrap(), "{new}");
        }
        let url = Some("https://git.example.com/acme/config.git".to_owned());
        let (namespace, asked) = ("default".to_owned(), vec![String::new()]);
        let requests = |_: &str, request| (Some(request), Vec::new());
        let target = document::Target { namespace, url, branch: None, asked, requests };
        let (text, _) = document::document(dialect, &found, &target).unwrap();
        assert!(YamlLoader::load_from_str(&text).is_ok(), "{text}");
    }
}

/// Any text is understood, or says what is not; nothing panics.
#[test]
fn broken_files_are_no_trouble() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/import");
    let mut seeds = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(folder)];
    while let Some(next) = folders.pop() {
        for path in std::fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.components().any(|part| part.as_os_str() == "repo") {
                seeds.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }
    assert!(seeds.len() >= 30, "the fixtures are there");
    for seed in &seeds {
        for at in (0..seed.len()).step_by(211).filter(|at| seed.is_char_boundary(*at)) {
            let (head, tail) = seed.split_at(at);
            for text in [head, tail] {
                let path = if text.contains("Application") { "a.yaml" } else { "fleet.yaml" };
                whole_way(&[(path, text), ("renovate.json", text), ("compose.yaml", text)]);
            }
        }
    }
    for text in [
        "[",
        "{",
        "imageScans: 1\n",
        "imageScans: [1, {}]\n",
        "services: {watchtower: 1}\n",
        "keel: {images: [1, {tag: a.b}]}\n",
        "{\"packageRules\": [1, {\"matchPackageNames\": \"/(/\"}]}",
    ] {
        whole_way(&[("fleet.yaml", text), ("renovate.json", text), ("values.yaml", text), ("compose.yaml", text)]);
    }
}
