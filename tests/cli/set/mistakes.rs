//! What `set` says of arguments, selections, files and names that are not as they should be.

use serde_json::json;

use super::{APP, SELECT, app};
use crate::world::{Run, World};

#[test]
fn what_cannot_be_read_or_written_is_named() {
    let world = app();
    insta::assert_snapshot!(world.run(["set", "nowhere", SELECT]).text(), @"
exit 2
-- stdout
-- stderr
error: cannot read nowhere
  caused by: no such file or directory
  hint: check the path
");
    insta::assert_snapshot!(world.run(["set", "dir", "--images=nowhere.json"]).text(), @"
exit 2
-- stdout
-- stderr
error: cannot read nowhere.json
  caused by: no such file or directory
  hint: check the path
");
    world.run(["set", "dir", "--images=dir"]).refuses(2, "cannot read dir");
    // Who may do everything can still read these.
    for (path, mode, says) in
        [("dir/app.yaml", 0o000, "cannot read dir/app.yaml"), ("dir", 0o500, "cannot write dir/app.yaml")]
    {
        let old = std::fs::metadata(world.path(path)).unwrap().permissions();
        std::fs::set_permissions(world.path(path), std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let root = std::fs::read(world.path("dir/app.yaml")).is_ok()
            && world.path("dir/probe").parent().is_some_and(|dir| tempfile::NamedTempFile::new_in(dir).is_ok());
        let run = world.run(["set", "dir", SELECT]);
        std::fs::set_permissions(world.path(path), old).unwrap();
        if root {
            assert_eq!(run.code, 0, "{run:?}");
            world.write("dir/app.yaml", APP);
        } else {
            run.refuses(1, says);
            assert_eq!(world.read("dir/app.yaml"), APP);
        }
    }
}

#[test]
fn mistakes_are_explained() {
    let world = app();
    let arguments = [
        "app:2",
        "default:app",
        "app=app:2",
        "default:app:tag=app:2",
        "default:app=app",
        "default:app=App:2",
        "default:app=",
    ];
    let runs = arguments.map(|image| world.run(["set", "dir", "--image", image]));
    let inputs = [
        "",
        "{}",
        r#"[{"namespace": "default", "name": "app"}]"#,
        r#"[{"namespace": "default", "name": "app", "image": "app", "tag": "2", "hash": ""}]"#,
        r#"[{"namespace": "default", "name": "app", "image": "app", "tag": 2}]"#,
    ];
    let fed = inputs.map(|input| world.feed(input, ["set", "dir", "--images=-"]));
    let twice = world.run(["set", "dir", SELECT, "--image=default:app=app:3"]);
    twice.refuses(2, "error: --image default:app=app:3: default:app is given twice");
    let said: String = runs.iter().chain(&fed).map(|run| run.stderr.as_str()).collect();
    runs.iter().chain(&fed).for_each(|run| run.refuses(2, "error: "));
    insta::assert_snapshot!(said, @r#"
error: --image app:2: no '=' in it
  hint: write --image NAMESPACE:POLICY=IMAGE:TAG, such as default:podinfo=ghcr.io/stefanprodan/podinfo:6.7.0
error: --image default:app: no '=' in it
  hint: write --image NAMESPACE:POLICY=IMAGE:TAG, such as default:podinfo=ghcr.io/stefanprodan/podinfo:6.7.0
error: --image app=app:2: "app" is not NAMESPACE:POLICY
  hint: write --image NAMESPACE:POLICY=IMAGE:TAG, such as default:podinfo=ghcr.io/stefanprodan/podinfo:6.7.0
error: --image default:app:tag=app:2: "default:app:tag" is not NAMESPACE:POLICY
  hint: write --image NAMESPACE:POLICY=IMAGE:TAG, such as default:podinfo=ghcr.io/stefanprodan/podinfo:6.7.0
error: --image default:app=app: the reference has no tag
  hint: write --image NAMESPACE:POLICY=IMAGE:TAG, such as default:podinfo=ghcr.io/stefanprodan/podinfo:6.7.0
error: --image default:app=App:2: could not parse reference: App:2
  hint: write --image NAMESPACE:POLICY=IMAGE:TAG, such as default:podinfo=ghcr.io/stefanprodan/podinfo:6.7.0
error: --image default:app=: could not parse reference: 
  hint: write --image NAMESPACE:POLICY=IMAGE:TAG, such as default:podinfo=ghcr.io/stefanprodan/podinfo:6.7.0
error: cannot read the selections in standard input
  caused by: it is empty
  hint: docs/reference/json.md shows the shape of every JSON document
error: cannot read the selections in standard input
  caused by: invalid type: object, expected a list
  hint: docs/reference/json.md shows the shape of every JSON document
error: cannot read the selections in standard input
  caused by: missing field `image`, in line 1, column 40
  hint: docs/reference/json.md shows the shape of every JSON document
error: cannot read the selections in standard input
  caused by: unknown field `hash`, expected one of `namespace`, `name`, `image`, `tag`, `digest`, in line 1, column 75
  hint: docs/reference/json.md shows the shape of every JSON document
error: cannot read the selections in standard input
  caused by: invalid type: integer `2`, expected a string, in line 1, column 65
  hint: docs/reference/json.md shows the shape of every JSON document
"#);
    assert_eq!(world.read("dir/app.yaml"), APP);
}

#[test]
fn a_selection_that_oci_does_not_allow_changes_nothing_and_is_reported() {
    let world = app();
    for (tag, digest) in [("{{ .x }}", ""), ("2\n", ""), ("\u{1b}[31m", ""), ("", ""), ("2", "sha256:zz")] {
        let input = json!([{"namespace": "default", "name": "app", "image": "app", "tag": tag, "digest": digest}]);
        let run = world.feed(&input.to_string(), ["set", "dir", "--images=-", "--output=json"]);
        let found = run.json();
        assert_eq!((run.code, &found["changes"]), (0, &json!([])), "{run:?}");
        assert_eq!(found["diagnostics"][0]["code"], "TW012", "{run:?}");
        assert!(!run.stdout.contains('\u{1b}'), "{run:?}");
        assert_eq!(world.read("dir/app.yaml"), APP);
    }
}

#[test]
fn every_finding_says_where_and_what() {
    let world = World::new();
    let marker = "# {\"$imagepolicy\": \"default:app\"}";
    world.write("dir/1-text.yaml", format!("a: x # see {marker}\nb: x # {{\"$imagepolicy\": 'default:app'}}\n"));
    world.write("dir/2-place.yaml", format!("{marker}\nkey: {marker}\n  a: x\n"));
    world.write("dir/3-broken.yaml", format!("a: 1\n---\nb: [ {marker}\n---\nc: x {marker}\n"));
    world.write("dir/4-latin.yaml", [b"a: caf\xe9 ".as_slice(), marker.as_bytes()].concat());
    world.write("dir/5-large.yaml", format!("a: x {marker}\n{}", "# long\n".repeat(3 << 20)));
    world.write("dir/6-suffix.yaml", "a: x # {\"$imagepolicy\": \"default:app:Tag\"}\n");
    let run = world.run(["set", "dir", SELECT]);
    insta::assert_snapshot!(run.text(), @r#"
exit 0
-- stdout
3-broken.yaml:5: x -> app:1.10 (default:app)
-- stderr
warning: 1-text.yaml:1:6: TW003 the comment is not a marker: something stands before the JSON object
warning: 1-text.yaml:2:6: TW003 the comment is not a marker: it is not JSON from "'default:app'}" on
  hint: write it like `# {"$imagepolicy": "default:web"}`; `tagwright check` shows the one that was meant
warning: 2-place.yaml:1:1: TW004 the marker sets nothing: it belongs to a mapping key; put it at the end of the value's line
warning: 2-place.yaml:2:6: TW004 the marker sets nothing: it belongs to a mapping key; put it at the end of the value's line
warning: 3-broken.yaml:3:4: TW005 the document has markers and cannot be parsed: unclosed bracket '['
  hint: `tagwright check` shows the place
warning: 4-latin.yaml: TW006 the file has markers and is not UTF-8 from byte 6 on
  hint: save the file as UTF-8
warning: 5-large.yaml: TW007 the file has markers and is larger than 16777216 bytes; it is left alone
  hint: split the file
warning: 6-suffix.yaml:1:6: TW002 the marker "default:app:Tag" must end in :tag, :name, :digest or the policy's name
"#);
}

#[test]
fn names_of_files_cannot_talk_to_the_terminal() {
    let world = World::new();
    world.write("dir/\u{1b}[31mred.yaml", APP);
    let run: Run = world.run(["set", "dir", SELECT]);
    assert!(run.stdout.contains("\\u{1b}[31mred.yaml:6: app:1 -> app:1.10"), "{run:?}");
    assert!(!format!("{}{}", run.stdout, run.stderr).contains('\u{1b}'), "{run:?}");
}
