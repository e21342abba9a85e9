//! The image.

use regex::Regex;

use crate::tree::{File, files};

#[test]
fn the_image_has_pinned_bases_and_does_not_run_as_root() {
    let dockerfile = File::read("Dockerfile").text;
    let bases: Vec<&str> = dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")).collect();
    assert_eq!(bases.len(), 2);
    assert!(bases[0].contains(&format!("/rust:{}.0-", env!("CARGO_PKG_RUST_VERSION"))), "{}", bases[0]);
    let tagged = Regex::new(r"^docker\.io/\S+:[^\s:]+( AS \w+)?$").unwrap();
    for base in bases {
        assert!(tagged.is_match(base), "{base}");
        assert!(!base.contains(":latest"), "{base}");
    }
    let user = dockerfile.lines().rfind(|line| line.starts_with("USER ")).unwrap();
    assert!(Regex::new(r"^USER [1-9]\d*:[1-9]\d*$").unwrap().is_match(user), "{user}");
    assert!(dockerfile.contains("\nENTRYPOINT [\"/usr/local/bin/tagwright\"]\n"));
    for package in ["ca-certificates", "git", "openssh-client"] {
        assert!(dockerfile.contains(&format!(" {package}")), "{package}");
    }
}

#[test]
fn what_is_given_to_others_is_built_alike() {
    assert!(File::read("Cargo.toml").text.contains("\n[profile.dist]\ninherits = \"release\"\nlto = \"thin\"\n"));
    for name in ["Dockerfile", ".github/workflows/release.yml"] {
        let text = File::read(name).text;
        assert_eq!(text.matches("cargo build --locked --profile dist --bin tagwright").count(), 1, "{name}");
        assert_eq!(text.matches("target/dist/tagwright").count(), 1, "{name}");
        assert!(!text.contains("target/release"), "{name}");
    }
}

#[test]
fn a_bot_in_the_image_has_its_state_where_the_image_s_user_may_write() {
    let dockerfile = File::read("Dockerfile").text;
    let state = dockerfile.lines().find_map(|line| line.strip_prefix("ENV XDG_STATE_HOME=")).unwrap();
    assert!(dockerfile.contains(&format!("install -d -o tagwright -g tagwright {state}/tagwright\n")));
}

#[test]
fn a_time_zone_needs_nothing_of_the_image() {
    jiff::tz::TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap();
}

#[test]
fn every_mention_of_the_image_has_the_crate_s_version() {
    let mention = Regex::new(r#"ghcr\.io/tagwright/tagwright([^\s'"]*)"#).unwrap();
    let mut mentions = 0;
    for file in files("deploy").into_iter().chain([File::read(".pre-commit-hooks.yaml")]) {
        for found in mention.captures_iter(&file.text) {
            assert_eq!(&found[1], concat!(":", env!("CARGO_PKG_VERSION")), "{}", file.name);
            mentions += 1;
        }
    }
    assert!(mentions > 0);
}
