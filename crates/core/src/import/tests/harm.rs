//! What others wrote does no harm: in comments, in values, by its size.

use super::*;

/// A Deployment that Keel follows.
fn deployment(name: &str, image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n  annotations: {{keel.sh/policy: minor}}\nspec:\n  template:\n    spec:\n      \
         containers:\n        - name: {name}\n          image: {image}\n"
    )
}

/// The document of files in a dialect, with its YAML.
fn parsed(files: &[(&str, &str)], dialect: Dialect) -> (String, Vec<yaml_rust2::Yaml>) {
    let text = written(files, dialect);
    let parsed = YamlLoader::load_from_str(&text).unwrap();
    (text, parsed)
}

/// Neither a comment nor a value ends before it ends.
#[test]
fn names_of_files_stay_in_their_comments_and_quotes() {
    let compose = "services:\n  web:\n    image: ghcr.io/acme/web:1.0.0 # runs here\n    labels: {com.centurylinklabs.watchtower.enable: true}\n";
    for end in ["\n", "\r", "\r\n", "\u{85}", "\u{2028}", "\u{2029}", "\u{0}"] {
        let path = format!("a{end}suspend: true{end}#\t'\"\\.yaml");
        for text in [deployment("web", "ghcr.io/acme/web:1.0.0 # runs here"), compose.to_owned()] {
            let plain = parsed(&[("a.yaml", &text)], Dialect::Native).1;
            let (native, found) = parsed(&[(&path, &text)], Dialect::Native);
            assert_eq!(native.matches("suspend").count(), 2, "in a comment and in a path: {native}");
            let image = |all: &[yaml_rust2::Yaml]| all[0]["spec"]["images"][0].as_hash().unwrap().clone();
            let (mut before, mut after) = (image(&plain), image(&found));
            let key = yaml_rust2::Yaml::String("targets".to_owned());
            let target = after.remove(&key).unwrap()[0].clone();
            before.remove(&key);
            assert_eq!(before, after, "{native}");
            let said = ["yaml", "compose"].into_iter().find_map(|it| target[it].as_str());
            assert_eq!(said, Some(path.as_str()), "{native}");
            assert!(!native.contains(end) || end == "\n", "{native}");
        }
        let (flux, found) = parsed(&[(&path, &deployment("web", "ghcr.io/acme/web:1.0.0"))], Dialect::Flux);
        assert!(found.iter().all(|it| it["suspend"].is_badvalue()), "{flux}");
    }
}

#[test]
fn messages_and_authors_are_what_they_were() {
    for text in
        ["a", "a\nb", "a\n\nb\n", "a\n\n", "\na", " a", "a\u{2028}b", "a\rb\n", "a\tb\n", "# a: 'b'\"", "a\u{7}", "'"]
    {
        let map = format!(
            "kind: ConfigMap\nmetadata: {{name: argocd-image-updater-config}}\ndata:\n  git.user: {text:?}\n  git.email: a@b\n  git.commit-message-template: {text:?}\n"
        )
        .replace("\\u{2028}", "\\u2028")
        .replace("\\u{7}", "\\a");
        let app = annotations("image-list: web=ghcr.io/acme/web:1.x\n write-back-method: git");
        let (native, found) = parsed(&[("a.yaml", &app), ("c.yaml", &map)], Dialect::Native);
        let commit = &found[0]["spec"]["git"]["commit"];
        assert_eq!(commit["message"].as_str(), Some(text), "{native}");
        assert_eq!(commit["author"]["name"].as_str(), Some(text), "{native}");
    }
}

/// Two scans that one comment names: one of them gets it.
#[test]
fn a_comment_is_turned_into_one_marker() {
    let fleet = "imageScans:\n  - {tagName: web, image: ghcr.io/acme/web, policy: {semver: {range: 1.x}}}\n  \
                 - {tagName: web, image: ghcr.io/acme/other, policy: {semver: {range: 2.x}}}\n";
    let values = "image: ghcr.io/acme/web:1.0.0 # {\"$imagescan\": \"web\"}\n";
    whole_way(&[("fleet.yaml", fleet), ("values.yaml", values)]);
    let files = [file("fleet.yaml", fleet), file("values.yaml", values)];
    let mut found = read(&Input::of(&files, &|_| true, &|_| true));
    let settled = settle(&files, &mut found, "default", Dialect::Native, Fields::Markers);
    assert_eq!(settled.edits[0].markers, 1, "{:?}", shown(&found));
    assert_eq!(found.left.len(), 1, "{:?}", found.left);
}

/// How many images are followed, with how many markers and targets.
fn counted(files: &[(&str, &str)]) -> (usize, usize, usize) {
    let files: Vec<File> = files.iter().map(|(path, text)| file(path, text)).collect();
    let mut found = read(&Input::of(&files, &|_| true, &|_| true));
    let settled = settle(&files, &mut found, "default", Dialect::Native, Fields::Markers);
    let images = found.automations.iter().flat_map(|it| &it.images);
    let targets = images.clone().map(|it| it.places.len()).sum();
    (images.count(), settled.edits.iter().map(|it| it.markers).sum(), targets)
}

/// How many there are of each; what reads a file once for each of them does not come to an end in the time of a test.
const MANY: usize = 5_000;

fn many(one: impl Fn(usize) -> String) -> String {
    (0..MANY).map(one).collect()
}

#[test]
fn thousands_of_workloads_in_one_file_are_read_once() {
    let text = many(|at| format!("---\n{}", deployment(&format!("w{at}"), &format!("ghcr.io/acme/w{at}:1.0.0"))));
    assert_eq!(counted(&[("all.yaml", &text)]), (MANY, MANY, 0));
}

#[test]
fn thousands_of_services_without_room_for_a_marker_become_targets() {
    let services = many(|at| {
        format!(
            "  s{at}:\n    image: ghcr.io/acme/web:1.0.0 # of team {at}\n    labels: {{com.centurylinklabs.watchtower.enable: true}}\n"
        )
    });
    assert_eq!(counted(&[("compose.yaml", &format!("services:\n{services}"))]), (1, 0, MANY));
    assert_eq!(
        counted(&[("compose.yaml", &format!("services:\n{}", services.replace(" # of", "\n    # of")))]),
        (1, MANY, 0)
    );
}

#[test]
fn thousands_of_files_and_rules_are_read_once() {
    let rules: Vec<String> = (0..100)
        .map(|at| format!(r#"{{"matchPackageNames": ["/^ghcr.io.acme.x{at}$/"], "allowedVersions": "<9"}}"#))
        .collect();
    let config = format!(
        r#"{{"kubernetes": {{"managerFilePatterns": ["/\\.yaml$/"]}}, "packageRules": [{}]}}"#,
        rules.join(", ")
    );
    let files: Vec<(String, String)> = (0..MANY / 5)
        .map(|at| (format!("apps/w{at}.yaml"), deployment("web", &format!("ghcr.io/acme/w{at}:1.0.0"))))
        .collect();
    let mut all: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    all.push(("renovate.json", &config));
    let files: Vec<File> = all.iter().map(|(path, text)| file(path, text)).collect();
    let found = read(&Input::of(&files, &|_| true, &|_| true).from(Some(Source::Renovate)));
    assert_eq!(found.automations[0].images.len(), MANY / 5);
}

#[test]
fn thousands_of_targets_in_one_file_of_values_are_looked_up_together() {
    let values = many(|at| format!("w{at}:\n  tag: 1.0.0\n"));
    let sources = many(|at| {
        format!(
            "  w{at}: {{kind: dockerimage, spec: {{image: ghcr.io/acme/w{at}, versionfilter: {{kind: semver, pattern: 1.x}}}}}}\n"
        )
    });
    let targets =
        many(|at| format!("  w{at}: {{kind: yaml, sourceid: w{at}, spec: {{file: values.yaml, key: $.w{at}.tag}}}}\n"));
    let manifest = format!("sources:\n{sources}targets:\n{targets}");
    assert_eq!(counted(&[("updatecli.yaml", &manifest), ("values.yaml", &values)]), (MANY, MANY, 0));
}

#[test]
fn thousands_of_applications_in_one_file_are_read_once() {
    let apps = many(|at| {
        let app = annotations(&format!("image-list: w=ghcr.io/acme/w{at}:1.x"));
        format!(
            "---\n{}",
            app.replace("name: web", &format!("name: w{at}")).replace("acme/web:1.4.0", &format!("acme/w{at}:1.4.0"))
        )
    });
    assert_eq!(counted(&[("apps.yaml", &apps)]), (MANY, MANY, 0));
}

#[test]
fn thousands_of_updaters_mean_an_application_each() {
    let app = annotations("x: y");
    let apps = many(|at| {
        let app = app.replace("name: web", &format!("name: w{at}"));
        format!("---\n{}", app.replace("acme/web:1.4.0", &format!("acme/w{at}:1.4.0")))
    });
    let updaters = many(|at| {
        format!(
            "---\napiVersion: argocd-image-updater.argoproj.io/v1alpha1\nkind: ImageUpdater\nmetadata: {{name: w{at}}}\nspec:\n  \
             applicationRefs:\n    - {{namePattern: w{at}, images: [{{alias: w, imageName: 'ghcr.io/acme/w{at}:1.x'}}]}}\n"
        )
    });
    assert_eq!(counted(&[("apps.yaml", &apps), ("updaters.yaml", &updaters)]), (MANY, MANY, 0));
}
