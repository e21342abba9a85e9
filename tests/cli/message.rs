//! `message`: the recorded templates, trailers, mistakes.

use serde_json::{Value, json};

use crate::world::{Run, World, fixture, list, text};

/// `--changes` in the documented form.
fn changes(case: &Value) -> Value {
    let change = |change: &Value| {
        json!({"file": change["File"], "line": 1, "apiVersion": change["APIVersion"], "kind": change["Kind"],
               "namespace": change["Namespace"], "name": change["Name"], "old": change["Old"], "new": change["New"],
               "policy": change["Setter"]})
    };
    let changes: Vec<Value> = list(&case["changes"]).iter().map(change).collect();
    json!({"automation": case["automation"], "values": case["values"], "images": [], "changes": changes})
}

fn render(world: &World, template: &str, changes: &Value) -> Run {
    world.write("template", template);
    world.feed(&changes.to_string(), ["message", "--template", "template", "--changes", "-"])
}

/// The pieces of a message whose order Flux leaves to chance.
fn pieces(message: &str) -> Vec<&str> {
    let mut pieces: Vec<&str> = message.split_inclusive([';', '}']).collect();
    pieces.sort_unstable();
    pieces
}

#[test]
fn recorded_templates_give_the_recorded_messages() {
    let world = World::new();
    let fixture = fixture("templates/flux.json");
    for case in list(&fixture["cases"]) {
        let run = render(&world, text(case, "template"), &changes(case));
        if text(case, "template").contains(".Updated") {
            assert_eq!(run.code, 0, "works here, unlike in Flux: {run:?}");
            continue;
        }
        let expected = &case["expect"][0];
        match expected["message"].as_str() {
            Some(message) if case["nondeterministic"] == true => {
                assert_eq!((run.code, pieces(&run.stdout)), (0, pieces(message)), "{case}");
            }
            Some(message) => run.prints(0, message),
            None => {
                let error = text(expected, "error");
                run.refuses(2, &error[error.find("template: ").unwrap()..]);
            }
        }
    }
}

/// What docs/reference/json.md shows for `message --changes`.
fn shop() -> Value {
    json!({"automation": {"namespace": "default", "name": "shop"}, "values": {"env": "prod"},
           "images": [{"policy": "default:app", "image": "ghcr.io/acme/app:1.2.3"}],
           "changes": [{"file": "app.yaml", "line": 6, "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "",
                        "name": "app", "old": "ghcr.io/acme/app:1.2.2", "new": "ghcr.io/acme/app:1.2.3", "policy": "default:app"}]})
}

#[test]
fn the_text_is_printed_as_it_is_rendered() {
    let world = World::new();
    let kubevela = "Update image automatically.\nImage: {{range .Updated.Images}}{{println .}}{{end}}";
    render(&world, kubevela, &shop()).prints(0, "Update image automatically.\nImage: ghcr.io/acme/app:1.2.3\n");
    render(&world, "no newline", &shop()).prints(0, "no newline");
    render(&world, " \n\n", &shop()).prints(0, " \n\n");
    render(&world, "{{ .Values.env }} {{ .AutomationObject }}", &shop()).prints(0, "prod default/shop");
    world.feed("{}", ["message", "--changes", "-"]).prints(0, "Update from image update automation");
}

#[test]
fn trailers_end_the_message_where_asked_for() {
    let world = World::new();
    let path = world.write("changes.json", shop().to_string());
    let arguments = ["message".as_ref(), "--trailers".as_ref(), "--changes".as_ref(), path.as_os_str()];
    let run = world.run(arguments);
    insta::assert_snapshot!(run.text(), @"
exit 0
-- stdout
Update app to 1.2.3

Tagwright-Automation: default/shop
Tagwright-Policy: default:app
-- stderr
");
    assert_eq!(world.feed(&run.stdout, ["skip", "--message-file", "-"]).code, 0, "`skip` recognises it");
}

#[test]
fn mistakes_are_explained() {
    let world = World::new();
    let templates =
        ["{{ nope }}", "a\n{{ .Foo }}", "{{ now }}", "{{ .Values", "{{ genPrivateKey \"rsa\" }}", "{{ env \"HOME\" }}"];
    let mut said = String::new();
    for template in templates {
        let run = render(&world, template, &shop());
        run.refuses(2, "template: commit message:");
        said.push_str(&run.stderr);
    }
    insta::assert_snapshot!(said, @r#"
error: template: commit message:1: function "nope" not defined
error: template: commit message:2:3: executing "commit message" at <.Foo>: can't evaluate field Foo in type source.TemplateData
  hint: the fields there are `AutomationObject`, `Changed`, `Group`, `Images`, `Summary`, `Updated`, `Values`
error: template: commit message:1: function "now" not defined
  hint: left out on purpose, as in Flux: the same changes must always give the same commit message
error: template: commit message:1: unclosed action
error: template: commit message:1: function "genPrivateKey" not defined: left out on purpose, so that the same changes always give the same message
  hint: sprig has it, but keys, passwords and chance have no place in a commit message
error: template: commit message:1: function "env" not defined
  hint: left out on purpose, as in Flux: the same changes must always give the same commit message
"#);
    let mut said = String::new();
    let without_new = r#"{"changes": [{"file": "app.yaml", "old": "app:1", "policy": "default:app"}]}"#;
    let inputs =
        ["", "[]", "[{}]", "{", "changes", r#"{"change": []}"#, r#"{"changes": [{"line": "6"}]}"#, without_new];
    for input in inputs {
        let run = world.feed(input, ["message", "--changes", "-"]);
        run.refuses(2, "error: cannot read the changes in standard input");
        said.push_str(&run.stderr);
    }
    insta::assert_snapshot!(said, @r#"
error: cannot read the changes in standard input
  caused by: it is empty
  hint: docs/reference/json.md shows the shape of every JSON document
error: cannot read the changes in standard input
  caused by: a list where an object with "changes" is expected
  hint: docs/reference/json.md shows the shape of every JSON document
error: cannot read the changes in standard input
  caused by: a list where an object with "changes" is expected
  hint: docs/reference/json.md shows the shape of every JSON document
error: cannot read the changes in standard input
  caused by: the JSON ends too early, in line 1
  hint: docs/reference/json.md shows the shape of every JSON document
error: cannot read the changes in standard input
  caused by: it is not JSON: expected value, in line 1, column 1
  hint: docs/reference/json.md shows the shape of every JSON document
error: cannot read the changes in standard input
  caused by: unknown field `change`, expected one of `automation`, `values`, `images`, `changes`, in line 1, column 9
  hint: docs/reference/json.md shows the shape of every JSON document
error: cannot read the changes in standard input
  caused by: invalid type: string "6", expected a number, in line 1, column 25
  hint: docs/reference/json.md shows the shape of every JSON document
error: cannot read the changes in standard input
  caused by: missing field `new`, in line 1, column 74
  hint: docs/reference/json.md shows the shape of every JSON document
"#);
    world.run(["message", "--changes", "nowhere.json"]).refuses(2, "cannot read nowhere.json");
    world.run(["message", "--changes", "-", "--template", "-"]).refuses(2, "cannot both be standard input");
    world.run(["message"]).refuses(2, "--changes <FILE.json>");
}

#[test]
fn the_changes_are_in_a_file() {
    let run = World::new().run(["message", "--changes", "{}"]);
    run.refuses(2, "--changes takes a file, and not the JSON itself");
    let world = World::new();
    world.write("changes.json", "{}");
    let run = world.run(["message", "--changes", "changes.json"]);
    assert_eq!(run.stderr, "note: changes.json has no changes for the message to tell of\n", "{run:?}");
}
