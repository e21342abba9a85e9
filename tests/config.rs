//! Configuration files in, automations or errors out.
//!
//! A case is a file, or a folder with `config/` and perhaps `secrets/`, below `fixtures/config/good` (beside it the summary
//! `CASE.txt`) or `fixtures/config/bad` (beside it the error `CASE.err`). With `UPDATE_FIXTURES=1` in the environment the
//! expected texts are written anew.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::fs;
use std::path::{Path, PathBuf};

use access::{ExposeSecret as _, GitLogin};
use proptest::prelude::*;
use summary::summary;
use tagwright::config::{self, Sources, Style};
use tagwright_core::automation::{Checkout, ImagePolicy, Schedule};
use tagwright_core::policy::Order;

#[path = "config/summary.rs"]
mod summary;

#[test]
fn good_configurations_load() {
    let cases = cases("good");
    assert!(cases.len() >= 20, "{} cases", cases.len());
    for case in cases {
        let configuration = config::load(&sources(&case)).unwrap_or_else(|error| panic!("{}\n{error}", case.display()));
        expect(&case.with_extension("txt"), &summary(&configuration));
    }
}

#[test]
fn bad_configurations_are_explained() {
    let cases = cases("bad");
    assert!(cases.len() >= 50, "{} cases", cases.len());
    let mut loaded = Vec::new();
    for case in &cases {
        match config::load(&sources(case)) {
            Err(error) => {
                let text = error.to_string();
                assert!(!text.contains("hunter2"), "{} shows a secret:\n{text}", case.display());
                expect(&case.with_extension("err"), &format!("{text}\n"));
            }
            Ok(configuration) => loaded.push(format!("{} loads:\n{}", case.display(), summary(&configuration))),
        }
    }
    assert!(loaded.is_empty(), "{}", loaded.join("\n"));
}

#[test]
fn the_default_configuration_loads_without_anything_else() {
    let sources = Sources { paths: vec!["policies".into()], secrets: None, ..Sources::default() };
    let configuration = config::load(&sources).unwrap_or_else(|error| panic!("{error}"));
    let names: Vec<String> = configuration.automations.iter().map(|automation| automation.id.to_string()).collect();
    assert_eq!(names, ["flux-system/clusters", "default/image-gitops", "shop/shop"]);
    assert!(configuration.automations.iter().all(|automation| !automation.policies.is_empty()));
    assert_eq!(configuration.notices, []);
    let selected: Vec<(String, Option<&str>)> =
        configuration.policies.iter().map(|policy| (policy.id.to_string(), policy.policy.select(&TAGS))).collect();
    let expected = [
        ("flux-system/podinfo", "6.2.10"),
        ("default/image-gitops", "master-6e9b0f9-1656569910"),
        ("shop/web", "1.4.1"),
        ("shop/worker", "main-3f2a9c1-1718000000"),
    ];
    assert_eq!(selected, expected.map(|(name, tag)| (name.to_owned(), Some(tag))));
    for file in ["policies/native.yaml", "policies/flux.yaml", "policies/kubevela.yaml"] {
        let sources = Sources { paths: vec![file.into()], secrets: None, ..Sources::default() };
        assert_eq!(config::load(&sources).unwrap().automations.len(), 1, "{file} alone");
    }
}

/// Tags for each policy of the default configuration, with some that none of them may choose.
const TAGS: [&str; 9] = [
    "latest",
    "1.4.0",
    "1.4.1",
    "1.5.0-rc.1",
    "6.2.9",
    "6.2.10",
    "master-6e9b0f9-1656569910",
    "main-aaaaaaa-1717000000",
    "main-3f2a9c1-1718000000",
];

/// The Application of KubeVela's documentation, in the fixtures and in the default configuration, value by value.
#[test]
fn the_application_of_the_kubevela_page_means_what_the_page_says() {
    let page = "fixtures/config/good/kubevela-page/config/image-gitops.yaml";
    let application = fs::read_to_string(page).unwrap();
    assert!(fs::read_to_string("policies/kubevela.yaml").unwrap().contains(&application));
    let sources = Sources {
        paths: vec![page.into()],
        secrets: Some("fixtures/config/good/kubevela-page/secrets".into()),
        ..Sources::default()
    };
    let configuration = config::load(&sources).unwrap_or_else(|error| panic!("{error}"));
    let [automation] = &configuration.automations[..] else { panic!("one automation") };
    assert_eq!(automation.id.to_string(), "default/image-gitops");
    assert_eq!(automation.remote.url, "https://github.com/FogDong/KubeVela-GitOps-Infra-Demo");
    let GitLogin::Basic(login) = &automation.remote.access.login else { panic!("basic") };
    assert_eq!((login.username.as_str(), login.password.expose_secret()), ("kubevela", "sesame"));
    assert_eq!(automation.checkout, Checkout::Branch("image".to_owned()));
    assert_eq!(automation.push.branch, None);
    assert_eq!(automation.paths, ["application"]);
    assert_eq!(automation.commit.author.name, "kubevelabot");
    assert_eq!(automation.commit.author.email, "kubevelabot@users.noreply.github.com");
    assert_eq!(
        automation.commit.message.source(),
        "Update image automatically.\nImage: {{range .Updated.Images}}{{println .}}{{end}}"
    );
    assert!(!automation.commit.trailers);
    assert_eq!(automation.schedule, Schedule::Every(std::time::Duration::from_secs(300)));
    let [policy] = &automation.policies[..] else { panic!("one policy") };
    assert_eq!(policy.id.to_string(), "default/image-gitops");
    assert_eq!(policy.repository.image.name(), "ghcr.io/fogdong/test-fog");
    let tags = ["latest", "master-6e9b0f9-1656569910", "master-fffffff-1556569910", "master-0000000-9"];
    assert_eq!(policy.policy.select(&tags), Some("master-6e9b0f9-1656569910"));
}

#[test]
fn a_folder_of_secrets_wins_over_a_document() {
    for (secrets, expected) in [(None, "replace-me"), (Some("fixtures/config/good/kubevela-page/secrets"), "sesame")] {
        let sources = Sources {
            paths: vec!["policies/kubevela.yaml".into()],
            secrets: secrets.map(PathBuf::from),
            ..Sources::default()
        };
        let configuration = config::load(&sources).unwrap_or_else(|error| panic!("{error}"));
        let GitLogin::Basic(login) = &configuration.automations[0].remote.access.login else { panic!("basic") };
        assert_eq!(login.password.expose_secret(), expected);
    }
}

#[test]
fn secrets_of_a_mounted_folder_are_read_through_its_links() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("default/token");
    fs::create_dir_all(secret.join("..2026_01_01")).unwrap();
    fs::write(secret.join("..2026_01_01/username"), "me\n").unwrap();
    fs::write(secret.join("..2026_01_01/password"), "line\r\n").unwrap();
    std::os::unix::fs::symlink("..2026_01_01", secret.join("..data")).unwrap();
    for key in ["username", "password"] {
        std::os::unix::fs::symlink(format!("..data/{key}"), secret.join(key)).unwrap();
    }
    let sources = Sources {
        paths: vec![write_native(folder.path(), "token")],
        secrets: Some(folder.path().to_owned()),
        ..Sources::default()
    };
    let configuration = config::load(&sources).unwrap_or_else(|error| panic!("{error}"));
    let GitLogin::Basic(login) = &configuration.automations[0].remote.access.login else { panic!("basic") };
    assert_eq!((login.username.as_str(), login.password.expose_secret()), ("me", "line"));
}

/// `echo sesame | base64`, and a block scalar, end with a newline that nobody means.
#[test]
fn newlines_at_the_end_of_a_login_are_no_part_of_it() {
    for values in [
        "data: {username: bWUK, password: bGluZQ0KCg==}",
        "stringData:\n  username: |\n    me\n  password: |+\n    line\n\n",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let secret = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: token, namespace: default}}\n{values}\n");
        fs::write(folder.path().join("secret.yaml"), secret).unwrap();
        write_native(folder.path(), "token");
        let sources = Sources { paths: vec![folder.path().to_owned()], secrets: None, ..Sources::default() };
        let configuration = config::load(&sources).unwrap_or_else(|error| panic!("{error}"));
        let GitLogin::Basic(login) = &configuration.automations[0].remote.access.login else { panic!("basic") };
        assert_eq!((login.username.as_str(), login.password.expose_secret()), ("me", "line"));
    }
}

#[test]
fn a_secret_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("default/token");
    fs::create_dir_all(secret.join("bearerToken")).unwrap(); // A folder cannot be read as a file, whoever asks.
    let sources = Sources {
        paths: vec![write_native(folder.path(), "token")],
        secrets: Some(folder.path().to_owned()),
        ..Sources::default()
    };
    let error = config::load(&sources).unwrap_err();
    let path = secret.join("bearerToken");
    assert!(error.problems()[0].message.contains(&format!("cannot read {}", path.display())), "{error}");

    fs::remove_dir(&path).unwrap();
    fs::write(&path, vec![b'x'; 2 << 20]).unwrap();
    let error = config::load(&sources).unwrap_err();
    assert!(error.problems()[0].message.ends_with("larger than 1048576 bytes"), "{error}");
}

fn write_native(folder: &Path, secret: &str) -> PathBuf {
    let path = folder.join("native.yaml");
    let text = format!(
        "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {{name: a}}\nspec:\n  git: {{url: https://example.com/a, secretRef: {{name: {secret}}}}}\n  images: []\n"
    );
    fs::write(&path, text).unwrap();
    path
}

/// A document of 100 MB is not read, whatever is in it, and neither is something that has no end.
#[test]
fn documents_of_the_fast_lane_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string("fixtures/config/good/fast-lane.yaml").unwrap();
    let text = text.replace("../../advisories/osv.json", "large.json").replace("../../advisories/", "");
    for name in ["openvex.json", "osv-withdrawn.json"] {
        fs::copy(format!("fixtures/advisories/{name}"), folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("shop.yaml"), text).unwrap();
    let large = fs::File::create(folder.path().join("large.json")).unwrap();
    large.set_len(100_000_000).unwrap();
    let sources = Sources { paths: vec![folder.path().join("shop.yaml")], ..Sources::default() };
    let check = |expect: &str| {
        let error = config::load(&sources).unwrap_err();
        assert_eq!(error.problems().len(), 1, "{error}");
        let path = "`spec.images[0].fastLane.documents[0]`: `large.json`";
        assert_eq!(error.problems()[0].message, format!("{path} {expect}"));
    };
    check("cannot be read: it has 100000000 bytes, and at most 4194304 are read");
    large.set_len(10).unwrap();
    check("is not JSON (line 1, column 1)");
    fs::remove_file(folder.path().join("large.json")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("large.json")).unwrap();
    check("cannot be read: it is not a file");
}

#[test]
fn links_are_followed_only_inside_of_a_folder() {
    let outside = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string("fixtures/config/good/native-shortest.yaml").unwrap();
    fs::write(outside.path().join("far.yaml"), text.replace("shop", "far").replace("podinfo", "far")).unwrap();
    fs::create_dir(folder.path().join("..data")).unwrap();
    fs::write(folder.path().join("..data/near.yaml"), text).unwrap();
    std::os::unix::fs::symlink("..data/near.yaml", folder.path().join("near.yaml")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("far.yaml"), folder.path().join("far.yaml")).unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
    let sources = Sources {
        paths: vec![folder.path().to_owned(), folder.path().join("near.yaml")],
        secrets: None,
        ..Sources::default()
    };
    let configuration = config::load(&sources).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(configuration.automations.len(), 1);
    assert_eq!(configuration.automations[0].id.name, "shop");
}

#[test]
fn a_path_that_does_not_exist_is_named() {
    let sources = Sources { paths: vec!["fixtures/nowhere.yaml".into()], secrets: None, ..Sources::default() };
    let error = config::load(&sources).unwrap_err();
    let reason = "no such file or directory";
    let help = "name the file or folder with `--config`; `tagwright mark` writes one";
    let said = format!("error: cannot read the configuration: {reason}\n--> fixtures/nowhere.yaml\n = help: {help}");
    assert_eq!(error.to_string(), said);
    let sources =
        Sources { paths: vec!["policies".into()], secrets: Some("fixtures/nowhere".into()), ..Sources::default() };
    let error = config::load(&sources).unwrap_err();
    let help = "`--secrets` takes a folder of NAMESPACE/NAME/KEY files";
    let said = format!("error: cannot read the folder of secrets: {reason}\n--> fixtures/nowhere\n = help: {help}");
    assert_eq!(error.to_string(), said);
}

/// Texts that grow when they are expanded, and texts with an error in each line.
#[test]
fn hostile_texts_are_refused_or_harmless() {
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    let mut merges = String::from("a0: &a0 {k0: x, l0: x}\n");
    for level in 1..60 {
        let below = level - 1;
        let aliases = vec![format!("*a{below}"); 9].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        merges.push_str(&format!("a{level}: &a{level} {{<<: [{aliases}], k{level}: x, l{level}: x}}\n"));
    }
    let unknown: String = (0..20_000).map(|field| format!("  unknown{field}: x\n")).collect();
    let head = "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {name: a}\n";
    for text in
        [laughs, merges, format!("spec:\n{unknown}"), "- ".repeat(5000), "{a: ".repeat(5000), "\"\r\r".to_owned()]
    {
        let error = config::parse("hostile.yaml", &format!("{head}{text}")).unwrap_err();
        assert!(error.to_string().len() < 100_000);
    }
}

/// Thousands of policies have the same few ranges and patterns, and automations the same message: each is in memory once.
#[test]
fn what_objects_have_alike_is_shared() {
    let automation = |name: &str| {
        format!(
            "---\napiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {{name: {name}}}\nspec:\n  \
             git: {{url: 'https://git.example.com/config'}}\n  images:\n  \
             - {{name: {name}, image: example.org/apps/{name}, policy: {{semver: {{range: 1.x}}}}, filterTags: {{pattern: '^v(.*)$', extract: $1}}}}\n"
        )
    };
    let configuration = config::parse("two.yaml", &(automation("a") + &automation("b"))).unwrap();
    let [first, second] = &configuration.policies[..] else { panic!("{:?}", configuration.policies) };
    let pattern = |policy: &ImagePolicy| policy.policy.filter.clone().unwrap().pattern;
    assert!(std::ptr::eq(pattern(first).regex(), pattern(second).regex()));
    let (Order::Semver(one), Order::Semver(other)) = (&first.policy.order, &second.policy.order) else {
        panic!("{first:?} {second:?}")
    };
    assert!(std::ptr::eq(one.as_str(), other.as_str()));
    let [one, other] = &configuration.automations[..] else { panic!("{:?}", configuration.automations) };
    assert!(std::ptr::eq(one.commit.message.source(), other.commit.message.source()));
}

#[test]
fn colours_change_nothing_but_colours() {
    let error = config::parse("a.yaml", "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomatio\n").unwrap_err();
    let colored = error.render(Style::Colored);
    assert!(colored.contains('\u{1b}'));
    let mut plain = String::new();
    let mut rest = colored.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, error.to_string());
}

#[test]
fn problems_carry_positions() {
    let text = "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {name: a}\nspec:\n  ärger: 1\n  git: {url: x}\n";
    let error = config::parse("a.yaml", text).unwrap_err();
    let found: Vec<_> =
        error.problems().iter().map(|problem| (problem.line, problem.column, &text[problem.span.clone()])).collect();
    assert_eq!(found, [(4, 1, "spec"), (5, 3, "ärger"), (6, 14, "x")]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is cut out of, put into or exchanged in real configuration: no panic, and every error can be shown.
    #[test]
    fn damaged_documents_never_panic(edits in proptest::collection::vec((any::<u32>(), any::<u32>(), snippet()), 1..6), which in any::<proptest::sample::Index>()) {
        let files = ["policies/native.yaml", "policies/flux.yaml", "policies/kubevela.yaml", "fixtures/config/good/native-everything.yaml"];
        let mut text = fs::read_to_string(files[which.index(files.len())]).unwrap();
        for (at, length, insert) in edits {
            let start = text.floor_char_boundary(at as usize % (text.len() + 1));
            let end = text.ceil_char_boundary((start + length as usize % 40).min(text.len()));
            text.replace_range(start..end, &insert);
        }
        if let Err(error) = config::parse("damaged.yaml", &text) {
            prop_assert!(!error.render(Style::Colored).is_empty());
        }
    }

    #[test]
    fn random_texts_never_panic(text in "(?s).{0,200}") {
        let text = format!("apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {{name: a}}\nspec: {text}");
        if let Err(error) = config::parse("random.yaml", &text) {
            prop_assert!(error.to_string().starts_with("error: "));
        }
    }
}

fn snippet() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[a-z:{}\\[\\],'\"|>&*#\n \u{e4}\u{1f600}\t-]{1,8}",
        prop::sample::select(vec![
            "\n---\n",
            ": ",
            "{a: [",
            "*x",
            "&x ",
            "<<: *x\n",
            "null",
            "|\n",
            "\r\n",
            "\u{feff}",
            "{{ end }}"
        ])
        .prop_map(str::to_owned),
    ]
}

fn cases(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new("fixtures/config").join(kind);
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_case = |path: &PathBuf| path.extension().is_none_or(|extension| extension != "txt" && extension != "err");
    let mut cases: Vec<PathBuf> = entries.filter(is_case).collect();
    cases.sort();
    cases
}

fn sources(case: &Path) -> Sources {
    if case.is_file() {
        return Sources { paths: vec![case.to_owned()], secrets: None, ..Sources::default() };
    }
    let secrets = case.join("secrets");
    Sources { paths: vec![case.join("config")], secrets: secrets.is_dir().then_some(secrets), ..Sources::default() }
}

fn expect(path: &Path, found: &str) {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        fs::write(path, found).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(found, expected, "{}", path.display());
}
