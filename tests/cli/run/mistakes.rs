//! Bad input: a clear message, exit code 2, and nothing written.

use super::shop;
use crate::site::{SHOP, Site, native};

/// Runs the shop's configuration with a piece replaced; nothing may be polled, fetched or pushed.
fn refused(site: &Site, from: &str, to: &str) -> String {
    let config = native("shop", "app", "branch: main", "");
    assert!(config.contains(from), "{from}");
    site.configure("shop.yaml", &config.replacen(from, to, 1));
    let before = site.remote.at("main");
    let run = site.run(&["--data-dir=data"]);
    run.refuses(2, "error: ");
    assert_eq!(site.remote.at("main"), before);
    assert_eq!(site.registry.seen().len(), 0, "nothing is asked for");
    assert!(!site.world.path("data").exists(), "nothing is written");
    run.stderr
}

#[test]
fn each_mistake_is_shown_where_it_is() {
    let site = shop();
    insta::assert_snapshot!(refused(&site, "branch: main", "brunch: main"), @"
error: unknown field `spec.git.brunch`
 --> config/shop.yaml:7:5
  |
7 |     brunch: main
  |     ^^^^^^
  |
  = help: a field with a similar name exists: `branch`
");
    insta::assert_snapshot!(refused(&site, "branch: main", "paths: clusters"), @"
error: `spec.git.paths` must be a list, but is a single value
 --> config/shop.yaml:7:12
  |
7 |     paths: clusters
  |            ^^^^^^^^
");
    insta::assert_snapshot!(refused(&site, "spec:", "spec:\n  interval: 5 minutes"), @"
error: `spec.interval` is not a duration: `5 minutes`
 --> config/shop.yaml:5:13
  |
5 |   interval: 5 minutes
  |             ^^^^^^^^^
  |
  = help: write numbers with a unit, as in `5m` or `1h30m`; the units are ms, s, m, h
");
    insta::assert_snapshot!(refused(&site, "spec:", "spec:\n  schedule: '* * *'"), @"
error: `spec.schedule`: not a cron expression: it has 3 fields in place of 5
 --> config/shop.yaml:5:13
  |
5 |   schedule: '* * *'
  |             ^^^^^^^
  |
  = help: `0 6 * * 1-5` is at 6:00 from Monday to Friday: minute, hour, day of the month, month, day of the week; or write `@hourly`, `@daily`, `@weekly` or `@monthly`
");
    insta::assert_snapshot!(refused(&site, "semver: {range: 1.x}", "semver: {range: one}"), @r#"
error: `spec.images[0].policy.semver.range`: "one" is not a range of versions
  --> config/shop.yaml:11:32
   |
11 |       policy: {semver: {range: one}}
   |                                ^^^
   |
   = help: ranges look like `6.x`, `^1.2`, `>=1.0.0 <2.0.0` or `1.x || 3.x`; `*` is every version
"#);
    insta::assert_snapshot!(refused(&site, "semver: {range: 1.x}", "numerical: {order: up}"), @"
error: `spec.images[0].policy.numerical.order`: up is neither asc nor desc
  --> config/shop.yaml:11:35
   |
11 |       policy: {numerical: {order: up}}
   |                                   ^^
   |
   = help: `asc`, which is the default, selects the greatest tag, `desc` the smallest
");
    insta::assert_snapshot!(refused(&site, "      policy:", "      filterTags: {pattern: '(?=a)'}\n      policy:"), @"
error: `spec.images[0].filterTags.pattern`: invalid regular expression pattern '(?=a)': error parsing regexp: invalid or unsupported Perl syntax: `(?=`
  --> config/shop.yaml:11:29
   |
11 |       filterTags: {pattern: '(?=a)'}
   |                             ^^^^^^^
   |
   = help: patterns are regular expressions in Go's dialect (RE2)
");
    insta::assert_snapshot!(refused(&site, "branch: main", "commit:\n      message: |\n        Hello\n        {{ range .Changed }}"), @"
error: `spec.git.commit.message`: template: commit message:3: unexpected EOF
  --> config/shop.yaml:10:9
   |
10 |         {{ range .Changed }}
   |         ^^^^^^^^^^^^^^^^^^^^
");
    insta::assert_snapshot!(refused(&site, "branch: main", "commit: {message: '{{ genPrivateKey \"rsa\" }}'}"), @r#"
error: `spec.git.commit.message`: template: commit message:1: function "genPrivateKey" not defined: left out on purpose, so that the same changes always give the same message
 --> config/shop.yaml:7:27
  |
7 |     commit: {message: '{{ genPrivateKey "rsa" }}'}
  |                           ^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: sprig has it, but keys, passwords and chance have no place in a commit message
"#);
    insta::assert_snapshot!(refused(&site, "branch: main", "secretRef: {name: nowhere}"), @"
error: secret 'default/nowhere' does not exist
 --> config/shop.yaml:7:23
  |
7 |     secretRef: {name: nowhere}
  |                       ^^^^^^^
  |
  = help: add a `Secret` document, or give a folder of NAMESPACE/NAME/KEY files with `--secrets`
");
    insta::assert_snapshot!(refused(&site, "image: REGISTRY/team/app", "image: https://ghcr.io/team/app:1.0"), @"
error: `spec.images[0].image`: image 'https://ghcr.io/team/app:1.0' should not include URL scheme; remove 'https://'
  --> config/shop.yaml:10:14
   |
10 |       image: https://ghcr.io/team/app:1.0
   |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
");
    insta::assert_snapshot!(refused(&site, "images:", "image:"), @"
error: missing field `spec.images`
 --> config/shop.yaml:4:1
  |
4 | spec:
  | ^^^^

error: unknown field `spec.image`
 --> config/shop.yaml:8:3
  |
8 |   image:
  |   ^^^^^
  |
  = help: a field with a similar name exists: `images`
");
    insta::assert_snapshot!(refused(&site, "kind: ImageAutomation", "kind: ImageAutomaton"), @"
error: unknown kind `ImageAutomaton` of tagwright.dev/v1alpha1
 --> config/shop.yaml:2:7
  |
2 | kind: ImageAutomaton
  |       ^^^^^^^^^^^^^^
  |
  = help: a kind with a similar name exists: `ImageAutomation`
");
    insta::assert_snapshot!(refused(&site, "metadata: {name: shop", "metadata: {name: Shop"), @"
error: `metadata.name` is not a name that Kubernetes allows: `Shop`
 --> config/shop.yaml:3:18
  |
3 | metadata: {name: Shop, namespace: default}
  |                  ^^^^
  |
  = help: use lower-case letters, digits, `-` and `.`, with a letter or digit first and last
");
    insta::assert_snapshot!(refused(&site, "spec:", "spec: ["), @"
error: not YAML: while parsing a flow mapping, did not find expected ',' or '}'
 --> config/shop.yaml:6:8
  |
6 |     url: REMOTE
  |        ^
");
}

#[test]
fn two_policies_of_one_name_are_shown_both() {
    let site = shop();
    site.configure("other.yaml", &native("other", "app", "", ""));
    let run = site.run(&[]);
    run.refuses(2, "error: ");
    insta::assert_snapshot!(run.stderr, @"
error: two policies have the name 'default:app'
 --> config/shop.yaml:9:13
  |
9 |     - name: app
  |             ^^^
  |
 ::: config/other.yaml:9:13
  |
9 |     - name: app
  |             --- the first one
");
    assert_eq!(site.commits("main"), 1);
}

#[test]
fn secrets_and_keys_that_cannot_be_used() {
    let site = shop();
    let secret = |url: &str, name: &str| {
        let config = native("shop", "app", &format!("secretRef: {{name: {name}}}"), "").replace("REMOTE", url);
        site.configure("shop.yaml", &config);
        let run = site.run(&["--secrets=secrets"]);
        run.refuses(2, "error: ");
        assert!(!run.stderr.contains("planted"), "{run:?}");
        run.stderr
    };
    let write = |path: &str, text: &str| site.world.write(&format!("secrets/default/{path}"), text);
    write("half/password", "planted");
    insta::assert_snapshot!(secret("https://git.example.com/a.git", "half"), @"
error: secret 'default/half': invalid 'https' auth option: 'password' requires 'username' to be set
 --> config/shop.yaml:7:23
  |
7 |     secretRef: {name: half}
  |                       ^^^^
");
    write("key/identity", "planted, and no key");
    write("key/known_hosts", "git.example.com ssh-ed25519 AAAA");
    insta::assert_snapshot!(secret("ssh://git@git.example.com/a.git", "key"), @"
error: secret 'default/key': 'identity' is not a private key
 --> config/shop.yaml:7:23
  |
7 |     secretRef: {name: key}
  |                       ^^^
");
    write("tls/tls.crt", "planted");
    write("tls/tls.key", "planted");
    insta::assert_snapshot!(secret("https://git.example.com/a.git", "tls"), @"
error: secret 'default/tls': 'tls.crt' is not a PEM certificate
 --> config/shop.yaml:7:23
  |
7 |     secretRef: {name: tls}
  |                       ^^^
");
    write("ca/ca.crt", "planted, and no certificate");
    insta::assert_snapshot!(secret("https://git.example.com/a.git", "ca"), @"
error: secret 'default/ca': 'ca.crt' is not a PEM certificate
 --> config/shop.yaml:7:23
  |
7 |     secretRef: {name: ca}
  |                       ^^
");
    std::fs::create_dir_all(site.world.path("secrets/default/folder/password")).unwrap();
    write("folder/username", "bot");
    insta::assert_snapshot!(secret("https://git.example.com/a.git", "folder"), @"
error: secret 'default/folder': cannot read secrets/default/folder/password: is a directory
 --> config/shop.yaml:7:23
  |
7 |     secretRef: {name: folder}
  |                       ^^^^^^
");
    assert_eq!(site.registry.seen().len(), 0);
}

#[test]
fn sources_that_are_not_there() {
    let site = shop();
    let empty = site.world.path("nothing");
    std::fs::create_dir(&empty).unwrap();
    site.world.write("others/shop.yaml.txt", "");
    let mut said = String::new();
    for arguments in [
        &["run", "--once"][..],
        &["run", "--once", "--config=nowhere.yaml"],
        &["run", "--once", "--config=nothing"],
        &["run", "--once", "--config=others"],
        &["run", "--once", "--config=config", "--secrets=nowhere"],
        &["run", "--once", "--config=config", "--registry-mirror=ghcr.io"],
    ] {
        let run = site.world.run(arguments);
        run.refuses(2, "error: ");
        said.push_str(&format!("$ tagwright {}\n{}", arguments.join(" "), run.stderr));
    }
    insta::assert_snapshot!(said, @r#"
$ tagwright run --once
error: cannot read the configuration: no such file or directory
--> policies
 = help: name the file or folder with `--config`; `tagwright mark` writes one
$ tagwright run --once --config=nowhere.yaml
error: cannot read the configuration: no such file or directory
--> nowhere.yaml
 = help: name the file or folder with `--config`; `tagwright mark` writes one
$ tagwright run --once --config=nothing
note: the configuration has no automation
error: no automation is configured in nothing
  hint: write an ImageAutomation, an ImageUpdateAutomation or an Application
$ tagwright run --once --config=others
note: nothing in others is read: its files are not named .yaml, .yml or .json
note: the configuration has no automation
error: no automation is configured in others
  hint: write an ImageAutomation, an ImageUpdateAutomation or an Application
$ tagwright run --once --config=config --secrets=nowhere
error: cannot read the folder of secrets: no such file or directory
--> nowhere
 = help: `--secrets` takes a folder of NAMESPACE/NAME/KEY files
$ tagwright run --once --config=config --registry-mirror=ghcr.io
error: registry mirror "ghcr.io": expected HOST=URL
  hint: write --registry-mirror HOST=URL, such as --registry-mirror docker.io=https://mirror.example.com
"#);
}

/// Nobody might ever write into a pipe, and a device never ends.
#[test]
fn what_is_no_file_is_not_read() {
    let site = shop();
    let pipe = site.world.path("pipe.yaml");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in ["pipe.yaml", "/dev/zero"] {
        let run = site.world.run(["run", "--once", "--config", path]);
        run.refuses(2, "it is not a file");
    }
    let keys = site.world.path("secrets/default/git");
    std::fs::create_dir_all(&keys).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(keys.join("username")).status().unwrap().success());
    site.configure(
        "shop.yaml",
        &native("shop", "app", "secretRef: {name: git}", "").replace("REMOTE", "https://git.example.com/a.git"),
    );
    site.run(&["--secrets=secrets"]).refuses(2, "it is not a file");
}

/// One finding, and what becomes of the automation.
#[test]
fn a_marker_that_is_almost_one_is_the_only_reason() {
    let site = Site::new(&["1.0.0", "1.1.0"], &SHOP.replace("$imagepolicy", "$imagePolicy"));
    site.configure("shop.yaml", &native("shop", "app", "", ""));
    insta::assert_snapshot!(site.run(&[]).text(), @r#"
exit 0
-- stdout
default/shop: nothing can be written on main of REMOTE: none of the markers in its paths can be followed
-- stderr
default:app: REGISTRY/team/app has 2 tags, selected REGISTRY/team/app:1.1.0
warning: clusters/shop.yaml:8:53: TW003 the comment is not a marker: its key is "$imagePolicy", not "$imagepolicy"
  hint: write it like `# {"$imagepolicy": "default:web"}`; `tagwright check` shows the one that was meant
"#);
}
