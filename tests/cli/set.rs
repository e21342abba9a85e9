//! `set`: the bytes of files, the forms of output, what is not followed.

mod mistakes;
mod recorded;

use serde_json::{Value, json};

use crate::world::{World, list, text};

const APP: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: app
spec:
  image: 'app:1' # {\"$imagepolicy\": \"default:app\"}
  tag: 1.9.0     # {\"$imagepolicy\": \"default:app:tag\"}
  digest: none # {\"$imagepolicy\": \"default:app:digest\"}
  other: x # {\"$imagepolicy\": \"default:ap\"}
  odd: x # {\"$imagepolicy\": \"default:app:tags\"}
";

const SELECT: &str = "--image=default:app=app:1.10";

fn app() -> World {
    let world = World::new();
    world.write("dir/app.yaml", APP);
    world
}

#[test]
fn text_says_what_changed_and_what_was_noticed() {
    let world = app();
    insta::assert_snapshot!(world.run(["set", "dir", SELECT, "--check"]).text(), @r#"
exit 3
-- stdout
app.yaml:6: app:1 -> app:1.10 (default:app)
app.yaml:7: 1.9.0 -> 1.10 (default:app:tag)
-- stderr
warning: app.yaml:8:11: TW009 the selection of policy "default:app" has no digest; the field stays
  hint: set `digestReflectionPolicy: IfNotPresent` in the policy
warning: app.yaml:9:10: TW001 no policy "default:ap" is in scope; did you mean "default:app"?
  hint: name a policy that an automation of this remote has, as `namespace:name`
warning: app.yaml:10:10: TW002 the marker "default:app:tags" must end in :tag, :name, :digest or the policy's name
"#);
    assert_eq!(world.read("dir/app.yaml"), APP, "--check writes nothing");
    assert_eq!(world.run(["set", "dir", SELECT]).code, 0);
    insta::assert_snapshot!(world.read("dir/app.yaml"), @r#"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app
spec:
  image: 'app:1.10' # {"$imagepolicy": "default:app"}
  tag: "1.10"     # {"$imagepolicy": "default:app:tag"}
  digest: none # {"$imagepolicy": "default:app:digest"}
  other: x # {"$imagepolicy": "default:ap"}
  odd: x # {"$imagepolicy": "default:app:tags"}
"#);
    let again = world.run(["set", "dir", SELECT]);
    again.prints(0, "");
    assert_eq!(world.run(["set", "dir", SELECT, "--check"]).code, 0);
}

#[test]
fn json_has_the_documented_shape() {
    let world = app();
    let run = world.run(["set", "dir", SELECT, "--check", "--output=json"]);
    insta::assert_snapshot!(run.text(), @r#"
exit 3
-- stdout
{
  "changes": [
    {
      "file": "app.yaml",
      "line": 6,
      "apiVersion": "apps/v1",
      "kind": "Deployment",
      "namespace": "",
      "name": "app",
      "old": "app:1",
      "new": "app:1.10",
      "policy": "default:app"
    },
    {
      "file": "app.yaml",
      "line": 7,
      "apiVersion": "apps/v1",
      "kind": "Deployment",
      "namespace": "",
      "name": "app",
      "old": "1.9.0",
      "new": "1.10",
      "policy": "default:app:tag"
    }
  ],
  "diagnostics": [
    {
      "file": "app.yaml",
      "line": 8,
      "column": 11,
      "code": "TW009",
      "message": "the selection of policy \"default:app\" has no digest; the field stays"
    },
    {
      "file": "app.yaml",
      "line": 9,
      "column": 10,
      "code": "TW001",
      "message": "no policy \"default:ap\" is in scope; did you mean \"default:app\"?"
    },
    {
      "file": "app.yaml",
      "line": 10,
      "column": 10,
      "code": "TW002",
      "message": "the marker \"default:app:tags\" must end in :tag, :name, :digest or the policy's name"
    }
  ]
}
-- stderr
"#);
    let none = world.feed("[]", ["set", "home", "--images=-", "--output=json"]);
    assert_eq!(none.json(), json!({"changes": [], "diagnostics": []}));
}

#[test]
fn a_policy_that_no_marker_names_is_an_error() {
    let world = app();
    let refuses = |image: &str, hint: &str| {
        let (policy, _) = image.split_once('=').unwrap();
        let run = world.run(["set", "dir", &format!("--image={image}"), SELECT]);
        run.refuses(2, &format!("error: no marker in dir names {policy}\n  hint: {hint}\n"));
    };
    refuses("default:apps=app:2", "did you mean default:app?");
    refuses("other:ap=app:2", "did you mean default:ap?");
    refuses("default:web=app:2", "the markers there name default:ap, default:app");
    assert_eq!(world.read("dir/app.yaml"), APP, "nothing is written");
    insta::assert_snapshot!(world.run(["set", "home", SELECT]).text(), @"
exit 2
-- stdout
-- stderr
error: no marker in home names default:app
  hint: nothing there has a marker; `tagwright mark` writes them
");
    insta::assert_snapshot!(world.run(["set", "dir"]).text(), @"
exit 2
-- stdout
-- stderr
error: name an image: --image NS:NAME=REF, or --images FILE.json
");
    let images = r#"[{"namespace": "other", "name": "thing", "image": "app", "tag": "2"}]"#;
    assert_eq!(world.feed(images, ["set", "dir", "--images=-"]).code, 0, "a file may be about more than one directory");
}

#[test]
fn a_diff_is_what_git_applies() {
    let marker = "# {\"$imagepolicy\": \"default:app\"}";
    let files = [
        ("plain.yaml", format!("image: app:1 {marker}\n")),
        ("with space.yaml", format!("image: app:1 {marker}\n")),
        ("with \"quotes\" and \\.yaml", format!("image: app:1 {marker}\n")),
        ("tab\tand\nline.yaml", format!("image: app:1 {marker}\n")),
        ("grüße/ünder.yml", format!("image: app:1 {marker}\n")),
        ("windows.yaml", format!("a: 1\r\nimage: app:1 {marker}\r\nb: 2\r\n")),
        ("no-end.yaml", format!("a: 1\nimage: app:1 {marker}")),
        ("mark.yaml", format!("\u{feff}image: app:1 {marker}\n")),
        ("far.yaml", format!("i: app:1 {marker}\n{}j: app:1 {marker}\n", "# between\n".repeat(9))),
    ];
    let world = World::new();
    world.git("", &["init", "-q", "dir"]);
    for (name, text) in &files {
        world.write(&format!("dir/{name}"), text);
    }
    world.git("dir", &["add", "-A"]);
    let run = world.run(["set", "dir", SELECT, "--diff"]);
    assert_eq!(run.code, 0);
    assert_eq!(world.git("dir", &["status", "--porcelain"]).matches("AM").count(), 0, "--diff writes nothing");
    assert_eq!(world.run(["set", "dir", SELECT, "--diff", "--check"]).code, 3);
    world.git_fed("dir", &["apply", "--whitespace=nowarn", "-"], run.stdout.as_bytes());
    for (name, text) in &files {
        assert_eq!(world.read(&format!("dir/{name}")), text.replace("app:1", "app:1.10"), "{name}");
    }
    assert_eq!(world.run(["set", "dir", SELECT, "--check"]).code, 0);
}

#[test]
fn links_and_git_s_folder_are_left_alone() {
    let world = app();
    world.write("dir/.git/app.yaml", APP);
    world.write("outside.yaml", APP);
    world.write("elsewhere/app.yaml", APP);
    for (link, target) in [
        ("link.yaml", "app.yaml"),
        ("out.yaml", "../outside.yaml"),
        ("folder", "../elsewhere"),
        ("gone.yaml", "nowhere"),
    ] {
        std::os::unix::fs::symlink(target, world.path("dir").join(link)).unwrap();
    }
    let run = world.run(["set", "dir", SELECT, "--output=json"]).json();
    assert!(list(&run["changes"]).iter().all(|change| change["file"] == "app.yaml"), "{run}");
    let links: Vec<&str> =
        list(&run["diagnostics"]).iter().filter(|it| it["code"] == "TW013").map(|it| text(it, "file")).collect();
    assert_eq!(links, ["link.yaml", "out.yaml"], "where a marker would have counted");
    for untouched in ["dir/.git/app.yaml", "outside.yaml", "elsewhere/app.yaml"] {
        assert_eq!(world.read(untouched), APP, "{untouched}");
    }
    assert!(world.path("dir/link.yaml").is_symlink());
    let run = world.run(["set", "dir/out.yaml", SELECT]);
    insta::assert_snapshot!(run.text(), @"
exit 2
-- stdout
-- stderr
error: dir/out.yaml is a symbolic link, which is not followed
  hint: name the file that it leads to
");
    assert_eq!(world.read("outside.yaml"), APP);
}

#[test]
fn one_file_is_enough_and_needs_a_yaml_name() {
    let world = app();
    assert_eq!(world.run(["set", "dir/app.yaml", SELECT]).stdout.lines().count(), 2);
    world.write("notes.txt", APP);
    insta::assert_snapshot!(world.run(["set", "notes.txt", SELECT]).text(), @"
exit 2
-- stdout
-- stderr
note: notes.txt is not looked at: it is not named *.yaml, *.yml or Kustomization
error: no marker in notes.txt names default:app
  hint: nothing there has a marker; `tagwright mark` writes them
");
    assert_eq!(world.read("notes.txt"), APP);
    let fifo = world.path("pipe.yaml");
    assert!(world.program("mkfifo").arg(&fifo).status().unwrap().success());
    world.run(["set", "pipe.yaml", SELECT]).refuses(2, "pipe.yaml is neither a file nor a folder");
}

#[test]
fn pins_and_variables_never_vanish() {
    let world = World::new();
    let digest = format!("sha256:{}", "1f7eaeb0".repeat(8));
    let text = format!(
        "tag: 1.9.0@{digest} # {{\"$imagepolicy\": \"default:app:tag\"}}\n\
         image: app:1.9.0@{digest} # {{\"$imagepolicy\": \"default:app\"}}\n\
         variable: app:${{TAG}} # {{\"$imagepolicy\": \"default:app\"}}\n\
         default: app:${{TAG:-1.9.0}} # {{\"$imagepolicy\": \"default:app\"}}\n"
    );
    world.write("dir/app.yaml", &text);
    insta::assert_snapshot!(world.run(["set", "dir", SELECT, "--check"]).text(), @r#"
exit 3
-- stdout
app.yaml:4: app:${TAG:-1.9.0} -> app:${TAG:-1.10} (default:app)
-- stderr
warning: app.yaml:1:6: TW025 the value is pinned to a digest, and the selection of policy "default:app" has none; the field stays
warning: app.yaml:2:8: TW025 the value is pinned to a digest, and the selection of policy "default:app" has none; the field stays
  hint: set `digestReflectionPolicy: IfNotPresent` in the policy
warning: app.yaml:3:11: TW024 the value has the variable ${TAG}, which is never written over; the field stays
  hint: give it a default that can be updated, such as `${TAG:-1.4.2}`, or mark the value where it is set
"#);
    let json = world.run(["set", "dir", SELECT, "--check", "--output", "json"]).json();
    let codes: Vec<&Value> = list(&json["diagnostics"]).iter().map(|it| &it["code"]).collect();
    assert_eq!(codes, ["TW025", "TW025", "TW024"]);

    let new = format!("sha256:{}", "ab".repeat(32));
    let select = format!("--image=default:app=app:1.10@{new}");
    world.run(["set", "dir", &select]);
    let expect = text.replace(&format!("1.9.0@{digest}"), &format!("1.10@{new}"));
    assert_eq!(world.read("dir/app.yaml"), expect.replace(":-1.9.0}", &format!(":-1.10@{new}}}")));
}
