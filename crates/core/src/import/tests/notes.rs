//! All that has no counterpart is told.

use super::*;

/// What is left of files, one line each.
fn left(files: &[(&str, &str)]) -> Vec<String> {
    read_all(files).left.into_iter().map(|it| it.what).collect()
}

#[test]
fn blocks_of_renovates_managers_count_for_what_these_find() {
    let compose = "services:\n  web:\n    image: ghcr.io/acme/web:1.4.0\n";
    let kustomization = "images:\n  - name: ghcr.io/acme/api\n    newTag: 1.4.0\n";
    let config = r#"{"docker-compose": {"pinDigests": true, "minor": {"enabled": false}}, "kustomize": {"enabled": false}, "helm-values": {"labels": ["a"]}}"#;
    let files = [("renovate.json", config), ("compose.yaml", compose), ("kustomization.yaml", kustomization)];
    let import = read_all(&files);
    assert_eq!(shown(&import).lines().next(), Some("web ghcr.io/acme/web: semver ~1.4.0, with digests"), "{import:?}");
    assert_eq!(import.automations.iter().map(|it| it.images.len()).sum::<usize>(), 1);
}

#[test]
fn what_renovate_is_told_and_nothing_is_made_of_is_listed() {
    let config = r#"{
  "patch": {"automerge": true, "enabled": false},
  "minor": {"schedule": ["before 6am on monday"]},
  "digest": {"automerge": true, "enabled": true},
  "pin": {"automerge": true},
  "kubernetes": {"managerFilePatterns": ["/\\.yaml$/", "/(/"], "commitMessageTopic": "x", "registryAliases": {"a": "b"}},
  "docker": {"prPriority": 1},
  "extends": [":automergePatch", "schedule:automergeDaily"],
  "packageRules": [
    {"matchPackageNames": ["a"], "extractVersion": "^v", "extends": [":pinDigests"], "enabled": false},
    {"matchPackageNames": ["/(/"], "enabled": false},
    {"matchUpdateTypes": ["patch"], "enabled": false}
  ]
}"#;
    let expect = [
        "automerge of patch updates",
        "patch updates that are off",
        "schedule of minor updates",
        "automerge of digest updates",
        "pin",
        "commitMessageTopic of kubernetes",
        "managerFilePatterns of kubernetes: /(/",
        "registryAliases of kubernetes",
        "prPriority of docker",
        "extends: :automergePatch",
        "extends: schedule:automergeDaily",
        "extends: :pinDigests of a rule",
        "extractVersion of a rule",
        "a rule with matchPackageNames: /(/",
        "patch updates that are off",
    ];
    assert_eq!(left(&[("renovate.json", config)]), expect);
}

/// A rule for managers, with whatever Renovate writes for them.
#[test]
fn rules_of_renovate_name_managers_in_every_way() {
    let compose = "services:\n  web:\n    image: ghcr.io/acme/web:1.4.0\n";
    for (managers, is_followed) in [
        ("docker-compose", false),
        ("!kustomize", false),
        ("/^docker/", false),
        ("kustomize", true),
        ("!docker-compose", true),
    ] {
        let config = format!(r#"{{"packageRules": [{{"matchManagers": ["{managers}"], "enabled": false}}]}}"#);
        let import = read_all(&[("renovate.json", &config), ("compose.yaml", compose)]);
        assert_eq!(!import.automations.is_empty(), is_followed, "{managers}: {import:?}");
    }
}

fn manifest(source: &str, more: &str) -> String {
    format!(
        "name: web\nsources:\n  web:\n    kind: dockerimage\n    spec: {{image: ghcr.io/acme/web, {source}}}\n{more}targets:\n  web:\n    kind: yaml\n    \
         sourceid: web\n    scmid: own\n    spec: {{file: values.yaml, key: $.tag}}\n"
    )
}

#[test]
fn what_updatecli_is_told_and_nothing_is_made_of_is_listed() {
    let values = ("values.yaml", "tag: 1.0.0\n");
    let scm = "scms: {own: {kind: git, spec: {url: https://git.example.com/acme/config.git, branch: main}}}\n";
    let regex = "versionfilter: {kind: regex/semver, regex: '^v(.*)$', pattern: 1.x, strict: true}, tagfilter: '^v', username: a";
    assert_eq!(
        left(&[("u.yaml", &manifest(regex, scm)), values]),
        [
            "tagfilter of web",
            "username of the source web",
            "versionfilter: strict of the source web",
            "the branch of the scm own"
        ]
    );
    let semver = "versionfilter: {kind: semver, pattern: 1.x}";
    let direct = scm.replace("branch: main", "branch: main, workingbranch: false");
    assert_eq!(left(&[("u.yaml", &manifest(semver, &direct)), values]), Vec::<String>::new());
    assert_eq!(left(&[("u.yaml", &manifest(semver, "")), values]), ["scmid: own"]);
    let trimmed =
        manifest(semver, &direct).replace("    spec: {image", "    transformers: [{trimprefix: v}]\n    spec: {image");
    let import = read_all(&[("u.yaml", &trimmed), values]);
    assert!(import.automations.is_empty() && import.left[0].why.contains("trimprefix"), "{import:?}");
    let more = manifest(semver, &format!("autodiscovery: {{}}\n{direct}"))
        .replace("    kind: yaml", "    dependson: [a]\n    kind: yaml");
    assert_eq!(left(&[("u.yaml", &more), values]), ["autodiscovery", "dependson of the target web"]);
}

/// Without a request, Updatecli's commits are on a branch of their own.
#[test]
fn commits_of_updatecli_stay_on_a_branch_of_their_own() {
    let scm = "scms: {own: {kind: git, spec: {url: https://git.example.com/acme/config.git, branch: main}}}\npipelineid: images\n";
    let files = [("u.yaml", &*manifest("versionfilter: {kind: semver}", scm)), ("values.yaml", "tag: 1.0.0\n")];
    let native = written(&files, Dialect::Native);
    assert!(native.contains("    push:\n      branch: updatecli_main_images\n"), "{native}");
    let direct = files[0].1.replace("branch: main}", "branch: main, workingbranch: false}");
    assert!(!written(&[("u.yaml", &direct), files[1]], Dialect::Native).contains("push:"));
}

#[test]
fn patterns_of_keel_that_cannot_be_read_are_told() {
    let text = "kind: Deployment\napiVersion: apps/v1\nmetadata:\n  name: web\n  annotations:\n    keel.sh/policy: minor\n    keel.sh/monitorContainers: '^(?!web)'\nspec:\n  \
                template:\n    spec:\n      containers:\n        - name: web\n          image: ghcr.io/acme/web:1.0.0\n";
    let import = read_all(&[("web.yaml", text)]);
    assert_eq!(import.left[0].what, "monitorContainers: ^(?!web)");
    assert_eq!(import.automations.len(), 1, "{import:?}");
}

/// Where no request can be opened, commits are for a branch that somebody can look at, and it is told.
#[test]
fn requests_are_written_where_they_can_be_opened() {
    let files = [
        file("renovate.json", r#"{"labels": ["images"]}"#),
        file("compose.yaml", "services:\n  web:\n    image: ghcr.io/acme/web:1.4.0\n"),
    ];
    let target = |requests| document::Target {
        namespace: "default".to_owned(),
        url: Some("https://git.example.com/acme/config.git".to_owned()),
        branch: Some("main".to_owned()),
        asked: vec![String::new()],
        requests,
    };
    let found = read(&Input::of(&files, &|_| true, &|_| true));
    for dialect in [Dialect::Native, Dialect::Flux] {
        let (text, left) =
            document::document(dialect, &found, &target(|_, _| (None, vec!["no forge".to_owned()]))).unwrap();
        assert!(text.contains("branch: tagwright/default/renovate\n"), "{text}");
        assert!(!text.contains("pullRequest") && !text.contains("pull-request"), "{text}");
        let told = left.iter().find(|it| it.what == "pull requests of renovate").unwrap();
        assert!(told.why.contains("no forge") && told.why.contains("tagwright/default/renovate"), "{told:?}");
    }
    let bare = |_: &str, mut request: Request| {
        request.labels.clear();
        (Some(request), vec!["it has no labels".to_owned()])
    };
    let (text, left) = document::document(Dialect::Native, &found, &target(bare)).unwrap();
    assert!(text.contains("pullRequest: {}") && left[0].why == "it has no labels", "{text} {left:?}");
}
