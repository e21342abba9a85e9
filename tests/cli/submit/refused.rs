//! What is refused, with nothing written.

use super::{Place, config_map};

const SECRET: &str =
    "apiVersion: v1\nkind: Secret\nmetadata: {name: login, namespace: shop}\ndata: {password: c2VzYW1l}\n";

#[track_caller]
fn refused(input: &str, more: &[&str], says: &str) {
    let place = Place::new();
    let run = place.submit(input, more);
    run.refuses(2, says);
    assert!(!run.stderr.contains("c2VzYW1l"), "{run:?}");
    assert_eq!(place.commits(), 1);
}

#[test]
fn a_secret_is_refused_unless_nobody_can_read_it() {
    refused(SECRET, &[], "Secret shop/login is not encrypted");
    let list = format!("apiVersion: v1\nkind: List\nitems:\n- {}", SECRET.replace('\n', "\n  ").trim_end());
    refused(&list, &[], "Secret shop/login is not encrypted");
    let place = Place::new();
    assert_eq!(place.submit(SECRET, &["--allow-secrets"]).code, 0);
    let sealed = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: sealed\n  namespace: shop\ndata:\n  password: ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\nsops:\n  mac: ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\n";
    assert_eq!(place.submit(sealed, &[]).code, 0);
    assert_eq!(place.file("clusters/prod/shop/secret-sealed.yaml"), sealed);
}

#[test]
fn a_path_that_leaves_the_folder_is_refused() {
    for layout in [
        "../{{ .Name }}.yaml",
        "/{{ .Name }}.yaml",
        ".git/hooks/{{ .Name }}.yaml",
        "a/../../{{ .Name }}.yaml",
        "{{ .Name }}.sh",
        "",
    ] {
        let layout = if layout.is_empty() { "{{ .Labels.none }}" } else { layout };
        refused(&config_map("a", "one"), &["--layout", layout], "the path");
    }
    let place = Place::new();
    let url = place.0.path("remote.git").display().to_string();
    let run = place.0.feed(&config_map("a", "one"), ["submit", "-", "--url", &url, "--path", "../elsewhere"]);
    run.refuses(2, "leaves the repository");
    refused(&config_map("a", "one"), &["--layout", "{{ .Name"], "layout");
    // A name in a resource is somebody's text, too.
    let sly = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ../../../etc/x, namespace: shop}\n";
    refused(sly, &[], "leaves the folder");
}

#[test]
fn what_collides_is_refused() {
    refused(
        &format!("{}---\n{}", config_map("a", "one"), config_map("a", "two")),
        &[],
        "is there twice, and not the same",
    );
    let other = "---\napiVersion: example.com/v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n";
    refused(&format!("{}{other}", config_map("a", "one")), &[], "which is in the way of");
    refused(&config_map("a", "one"), &["--layout", "THEIRS.yaml"], "clusters/prod/theirs.yaml is there");
    refused(
        &config_map("a", "one"),
        &["--layout", "theirs.yaml/{{ .Name }}.yaml"],
        "clusters/prod/theirs.yaml is there",
    );
    let place = Place::new();
    let twice = format!("{}---\n{}", config_map("a", "one"), config_map("a", "one"));
    assert!(place.submit(&twice, &[]).stdout.contains("1 new"));
}

#[test]
fn what_is_no_resource_is_refused_with_its_line() {
    refused(
        &format!("{}---\nkind: Odd\n", config_map("a", "one")),
        &[],
        "standard input:9: not a resource: it has no `apiVersion`",
    );
    refused("a: [\n", &[], "standard input:1: not YAML");
    refused("a: 1\na: 2\n", &[], "is there twice");
}

#[test]
fn a_list_that_is_none_is_not_written_over() {
    let place = Place::new();
    place.submit(&config_map("a", "one"), &[]);
    place.edit("clusters/prod/.tagwright/default_submit", "something else\n");
    place.submit(&config_map("b", "one"), &["--prune"]).refuses(2, "is not the list of a submitter");
    assert_eq!(place.commits(), 3);
}
