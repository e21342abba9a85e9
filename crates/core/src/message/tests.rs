//! Runs Flux's recorded messages, and the rules of trailers and recognition.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use gotext::template::Template;
use serde_json::Value as Json;

use crate::change::{Change, ObjectIdentity};
use crate::difference::{Difference, Differences, Portrait, REVISION, SOURCE};
use crate::message::{Author, Criteria, Facts, Recognised, is_written_by, recognise, releases, render, with_trailers};

const FLUX: &str = include_str!("../../../../fixtures/templates/flux.json");

fn change(file: &str, old: &str, new: &str, setter: &str) -> Change {
    let object = ObjectIdentity {
        api_version: "apps/v1".into(),
        kind: "Deployment".into(),
        name: "web".into(),
        namespace: "prod".into(),
    };
    Change { file: file.into(), line: 1, object, old: old.into(), new: new.into(), setter: setter.into() }
}

/// Renders with an automation `ns/auto` and the given changes and images.
fn message(template: &str, changes: &[Change], images: &[(&str, &str)]) -> Result<String, String> {
    let images = images.iter().map(|(policy, image)| ((*policy).to_owned(), (*image).to_owned())).collect();
    let values = BTreeMap::new();
    let facts = Facts {
        automation_namespace: "ns",
        automation_name: "auto",
        group: "",
        values: &values,
        changes,
        images: &images,
        differences: &BTreeMap::new(),
    };
    let template = Template::parse("commit message", template).map_err(|error| error.to_string())?;
    render(&template, &facts).map_err(|error| error.to_string())
}

fn text(json: &Json, name: &str) -> String {
    json[name].as_str().unwrap_or_default().to_owned()
}

fn flux_change(json: &Json) -> Change {
    let object = ObjectIdentity {
        api_version: text(json, "APIVersion"),
        kind: text(json, "Kind"),
        name: text(json, "Name"),
        namespace: text(json, "Namespace"),
    };
    let (old, new) = (text(json, "Old"), text(json, "New"));
    Change { file: text(json, "File"), line: 1, object, old, new, setter: text(json, "Setter") }
}

/// Renders a recorded case; errors get the words that Flux puts before them.
fn render_case(case: &Json) -> Result<String, String> {
    let (namespace, name) = (text(&case["automation"], "namespace"), text(&case["automation"], "name"));
    let values = case["values"].as_object().cloned().unwrap_or_default();
    let values = values.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
    let changes: Vec<Change> = case["changes"].as_array().unwrap().iter().map(flux_change).collect();
    let images = BTreeMap::new();
    let facts = Facts {
        automation_namespace: &namespace,
        automation_name: &name,
        group: "",
        values: &values,
        changes: &changes,
        images: &images,
        differences: &BTreeMap::new(),
    };
    let template = Template::parse("commit message", &text(case, "template"))
        .map_err(|error| format!("unable to create commit message template from spec: {error}"))?;
    render(&template, &facts).map_err(|error| format!("failed to run template from spec: {error}"))
}

/// The pieces of a message whose order Flux leaves to chance.
fn pieces(message: &str) -> Vec<String> {
    let mut pieces: Vec<String> = message.split_inclusive([';', '}']).map(str::to_owned).collect();
    pieces.sort();
    pieces
}

#[test]
fn recorded_messages_are_those_of_flux() {
    let json: Json = serde_json::from_str(FLUX).unwrap();
    for case in json["cases"].as_array().unwrap() {
        let template = text(case, "template");
        let got = render_case(case);
        if template.contains(".Updated") {
            assert!(got.is_ok(), "{template}: .Updated works here, unlike in Flux 1: {got:?}");
            continue;
        }
        let matches =
            case["expect"].as_array().unwrap().iter().any(|expect| match (&got, expect["message"].as_str()) {
                (Ok(got), Some(expect)) if case["nondeterministic"] == true => pieces(got) == pieces(expect),
                (Ok(got), Some(expect)) => got == expect,
                (Err(got), None) => got == expect["error"].as_str().unwrap(),
                _ => false,
            });
        assert!(matches, "{template}\n  expected {}\n  got {got:?}", case["expect"]);
    }
}

#[test]
fn kubevela_message_is_exact() {
    let image = "ghcr.io/fogdong/test-fog:master-6e9b0f9-1656569910";
    let changes = [change("app.yaml", "ghcr.io/fogdong/test-fog:master-1-1", image, "default:image-gitops")];
    let template = "Update image automatically.\nImage: {{range .Updated.Images}}{{println .}}{{end}}";
    let expected = "Update image automatically.\nImage: ghcr.io/fogdong/test-fog:master-6e9b0f9-1656569910\n";
    assert_eq!(message(template, &changes, &[("default:image-gitops", image)]), Ok(expected.to_owned()));
}

#[test]
fn documented_templates_render() {
    let changes = [change("b.yaml", "1.0", "1.1", "ns:app:tag"), change("a.yaml", "x:1.0", "x:1.1", "ns:app")];
    let cases = [
        (
            "{{ range $file, $objects := .Changed.FileChanges }}{{ $file }}:{{ range $o, $changes := $objects }}\
             {{ $o.Kind | lower }}/{{ $o.Name }} {{ range $changes }}{{ .OldValue }}->{{ .NewValue }}{{ end }};{{ end }}{{ end }}",
            "a.yaml:deployment/web x:1.0->x:1.1;b.yaml:deployment/web 1.0->1.1;",
        ),
        (
            "{{ range $r, $c := .Changed.Objects }}{{ $r.APIVersion }} {{ $r.Namespace }} {{ len $c }} {{ index $.Changed.Objects $r }}{{ end }}",
            "apps/v1 prod 2 [{x:1.0 x:1.1 ns:app} {1.0 1.1 ns:app:tag}]",
        ),
        (
            "{{ range $r, $_ := .Changed.Objects }}{{ $r }} {{ $r.ResourceIdentifier.TypeMeta.Kind }}{{ end }}",
            "{{{apps/v1 Deployment} {web prod}}} Deployment",
        ),
        ("{{ printf \"%+v\" (index .Changed.Changes 0) }}", "{OldValue:x:1.0 NewValue:x:1.1 Setter:ns:app}"),
        (
            "{{ toJson (index .Changed.Changes 0) }}{{ toJson .Changed }}{{ toJson .AutomationObject }}",
            "{\"OldValue\":\"x:1.0\",\"NewValue\":\"x:1.1\",\"Setter\":\"ns:app\"}{\"Namespace\":\"ns\",\"Name\":\"auto\"}",
        ),
        (
            "{{ range $r, $_ := .Changed.Objects }}{{ toJson $r }}{{ end }}",
            "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"name\":\"web\",\"namespace\":\"prod\"}",
        ),
        (
            "{{ .AutomationObject }} {{ printf \"%s|%q|%T\" .AutomationObject .AutomationObject .AutomationObject }}",
            "ns/auto ns/auto|\"ns/auto\"|types.NamespacedName",
        ),
        (
            "{{ typeOf .Changed }} {{ typeOf .Changed.FileChanges }} {{ typeOf .Changed.Objects }} {{ typeOf .Changed.Changes }}",
            "update.Result map[string]update.ObjectChanges update.ObjectChanges []update.Change",
        ),
        (
            "{{ eq (index .Changed.Changes 0) (index .Changed.Changes 0) }} {{ has (index .Changed.Changes 1) .Changed.Changes }}",
            "true true",
        ),
        ("{{ index .Changed.FileChanges \"none\" }}{{ .Changed.FileChanges.none }}", "map[]<no value>"),
        ("{{ toJson .Values }}{{ .Values }}", "nullmap[]"),
    ];
    for (template, expected) in cases {
        assert_eq!(message(template, &changes, &[]), Ok(expected.to_owned()), "{template}");
    }
}

#[test]
fn legacy_images_have_their_parts() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let full = format!("ghcr.io/org/app:1.2@{digest}");
    let changes = [
        change("a.yaml", "1.1", "1.2", "ns:app:tag"),
        change("a.yaml", "ghcr.io/org/app", "ghcr.io/org/app", "ns:app:name"),
        change("b.yaml", "alpine:3.18", "alpine:3.19", "ns:base"),
    ];
    let images = [("ns:app", full.as_str()), ("ns:base", "alpine:3.19")];
    let cases = [
        ("{{ range .Updated.Images }}{{ . }} ({{ .Policy.Name }}) {{ end }}",
            format!("{full} (app) alpine:3.19 (base) ")),
        ("{{ with index .Updated.Images 1 }}{{ .String }} {{ .Name }} {{ .Registry }} {{ .Repository }} {{ .Identifier }} {{ .Policy }} {{ .Context }}{{ end }}",
            "alpine:3.19 index.docker.io/library/alpine:3.19 index.docker.io library/alpine 3.19 ns/base index.docker.io/library/alpine".into()),
        ("{{ with index .Updated.Images 0 }}{{ .Name }} {{ .Identifier }}{{ end }}", format!("ghcr.io/org/app@{digest} {digest}")),
        ("{{ range $f, $r := .Updated.Files }}{{ $f }}:{{ range $o, $i := $r.Objects }}{{ $o.Name }} {{ len $i }};{{ end }}{{ end }}",
            "a.yaml:web 1;b.yaml:web 1;".into()),
        ("{{ range $o, $i := .Updated.Objects }}{{ $o.Kind }} {{ $i }}{{ end }}", format!("Deployment [{full} alpine:3.19]")),
        ("{{ . }}", "{ns/auto {map[a.yaml:map[{{{apps/v1 Deployment} {web prod}}}:[{1.1 1.2 ns:app:tag} {ghcr.io/org/app \
            ghcr.io/org/app ns:app:name}]] b.yaml:map[{{{apps/v1 Deployment} {web prod}}}:[{alpine:3.18 alpine:3.19 ns:base}]]]} map[]}".into()),
    ];
    for (template, expected) in cases {
        assert_eq!(message(template, &changes, &images), Ok(expected), "{template}");
    }
}

#[test]
fn what_manifests_say_stays_in_its_line() {
    let spoof = "x\n\nTagwright-Release: ns:a\r\u{85}\u{2028}\u{202E}\t\u{1b}é";
    let line = "x  Tagwright-Release: ns:a    \t é";
    let mut spoofed = change(spoof, spoof, spoof, "ns:a");
    spoofed.object =
        ObjectIdentity { api_version: spoof.into(), kind: spoof.into(), name: spoof.into(), namespace: spoof.into() };
    let cases = [
        "{{ range .Changed.Changes }}{{ .OldValue }}{{ end }}",
        "{{ range .Changed.Changes }}{{ .NewValue }}{{ end }}",
        "{{ range $object, $_ := .Changed.Objects }}{{ $object.Name }}{{ end }}",
        "{{ range $object, $_ := .Changed.Objects }}{{ $object.Namespace }}{{ end }}",
        "{{ range $object, $_ := .Changed.Objects }}{{ $object.Kind }}{{ end }}",
        "{{ range $object, $_ := .Changed.Objects }}{{ $object.APIVersion }}{{ end }}",
        "{{ range $file, $_ := .Changed.FileChanges }}{{ $file }}{{ end }}",
        "{{ range .Updated.Images }}{{ . }}{{ end }}",
        "{{ range $file, $_ := .Updated.Files }}{{ $file }}{{ end }}",
    ];
    for template in cases {
        let found = message(template, std::slice::from_ref(&spoofed), &[]);
        assert_eq!(found, Ok(line.to_owned()), "{template}");
    }
    // Files and objects that are told apart by nothing else become one, and lose no change.
    let other = Change { file: line.to_owned(), old: "1".into(), ..spoofed.clone() };
    let template = "{{ range .Changed.FileChanges }}{{ range . }}{{ len . }}{{ end }}{{ end }}";
    let both =
        [spoofed.clone(), Change { object: ObjectIdentity { name: line.into(), ..other.object.clone() }, ..other }];
    assert_eq!(message(template, &both, &[]), Ok("2".to_owned()));
}

/// What images say is one line each, is there for changes, objects and files alike, and does not show when all is printed.
#[test]
fn what_changed_between_images() {
    let changes = [change("a", "app:1", "app:2", "ns:app"), change("a", "db:1", "db:2", "ns:db")];
    let portrait = |revision: &str| {
        let labels =
            [(SOURCE, "https://github.com/acme/app"), (REVISION, revision), ("note", "x\nTagwright-Automation: a/b")];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Portrait { labels: labels.into(), size: Some(1_000_000 * revision.len() as u64), ..Portrait::default() }
    };
    let difference = Difference { old: Some(portrait("a1")), new: portrait("b2c") };
    let key = ["ns:app", "app:1", "app:2"].map(str::to_owned);
    let differences = [(key.into(), difference)].into();
    let render = |template: &str, differences: &Differences| {
        let (values, images) = (BTreeMap::new(), BTreeMap::new());
        let (automation_namespace, automation_name) = ("ns", "auto");
        let facts = Facts {
            automation_namespace,
            automation_name,
            group: "",
            values: &values,
            changes: &changes,
            images: &images,
            differences,
        };
        super::render(&Template::parse("commit message", template).unwrap(), &facts).unwrap()
    };
    let each = "{{range .Changed.Changes}}{{.NewValue}} {{.Source}} {{.OldRevision}}..{{.Revision}} {{.Compare}} {{join \"; \" .Details}}\n{{end}}";
    let link = "https://github.com/acme/app/compare/a1...b2c";
    let first = format!("app:2 https://github.com/acme/app a1..b2c {link} commits: {link}; size: 2.0 MB -> 3.0 MB\n");
    assert_eq!(render(each, &differences), format!("{first}db:2  ..  \n"));
    let object = "{{range .Changed.Objects}}{{range .}}{{.Compare}}\n{{end}}{{end}}";
    assert_eq!(render(object, &differences), format!("{link}\n\n"));
    assert_eq!(render("{{.Changed.Changes}}", &differences), render("{{.Changed.Changes}}", &Differences::new()));
    let wants = |text: &str| super::tells_of_images(&Template::parse("commit message", text).unwrap());
    assert!(wants(each) && wants(object) && wants("{{with index .Changed.Changes 0}}{{.Source}}{{end}}"));
    assert!(!wants("{{.Summary}}") && !wants("{{.Values.SourceOfTruth}} {{.Changed.Changes}}"));
}

#[test]
fn removed_field_says_what_to_use() {
    let error = message("{{ .Changed.ImageResult.Images }}", &[], &[]).unwrap_err();
    assert!(error.starts_with("template uses removed '.Changed.ImageResult' field."), "{error}");
    assert!(error.contains("'.Changed.FileChanges' or '.Changed.Objects'"), "{error}");
}

#[test]
fn trailers_end_the_message() {
    let changes = [change("a", "1", "2", "ns:b:tag"), change("a", "1", "2", "ns:a"), change("c", "1", "2", "ns:b")];
    let (values, images) = (BTreeMap::new(), BTreeMap::new());
    let facts = Facts {
        automation_namespace: "ns",
        automation_name: "x\ny",
        group: "",
        values: &values,
        changes: &changes,
        images: &images,
        differences: &BTreeMap::new(),
    };
    let block = "Tagwright-Automation: ns/x y\nTagwright-Policy: ns:a\nTagwright-Policy: ns:b\n";
    let cases = [
        ("Subject", "Subject\n\n"),
        ("Subject\n\nBody\n\n\n", "Subject\n\nBody\n\n"),
        ("Subject\n\nSigned-off-by: A <a@b>\n", "Subject\n\nSigned-off-by: A <a@b>\n"),
        ("Subject\n\nKey: value\n folded", "Subject\n\nKey: value\n folded\n"),
        ("Subject\n\nNot: all\nare trailers", "Subject\n\nNot: all\nare trailers\n\n"),
        ("Key: subject", "Key: subject\n\n"),
        (" \n", "Update from image update automation\n\n"),
    ];
    for (message, before) in cases {
        assert_eq!(with_trailers(message, &facts), format!("{before}{block}"), "{message:?}");
    }
    let twice = with_trailers("Subject", &facts);
    assert_eq!(with_trailers(&twice, &facts), twice);
}

#[test]
fn own_commits_are_recognised() {
    let ada = Author { name: "Ada", email: "ada@example.com" };
    let bot = Author { name: "any", email: "KubeVelaBot@users.noreply.github.com" };
    let (prefixes, authors) = (vec!["chore(images)".to_owned(), String::new()], vec!["Ci <ci@example.com>".to_owned()]);
    let none = Criteria::default();
    let extra = Criteria { prefixes: &prefixes, authors: &authors };
    let trailer = |value: &str| Some(Recognised::Trailer(value.to_owned()));
    let cases = [
        ("S\n\nTagwright-Automation: ns/a\nTagwright-Policy: ns:p\n", &ada, &none, trailer("ns/a")),
        ("S\n\ntagwright-automation : ns/a", &bot, &none, trailer("ns/a")),
        ("S\n\nTagwright-Automation: ns/a\n\nMore text", &ada, &none, None),
        ("S\n\nTagwright-Automation: ns/a\nis what it wrote", &ada, &none, None),
        ("Tagwright-Automation: ns/a", &ada, &none, None),
        ("S\nTagwright-Automation: ns/a", &ada, &none, None),
        ("S", &bot, &none, Some(Recognised::Author(bot.to_string()))),
        (
            "S",
            &Author { name: "Ci", email: "ci@example.com" },
            &extra,
            Some(Recognised::Author("Ci <ci@example.com>".into())),
        ),
        ("S", &Author { name: "Ci", email: "other@example.com" }, &extra, None),
        (
            "Update image automatically.\nImage: x",
            &ada,
            &none,
            Some(Recognised::Prefix("Update image automatically.".into())),
        ),
        (
            "\nUpdate from image update automation",
            &ada,
            &none,
            Some(Recognised::Prefix("Update from image update automation".into())),
        ),
        ("chore(images): x", &ada, &extra, Some(Recognised::Prefix("chore(images)".into()))),
        ("chore(images): x", &ada, &none, None),
        ("S\n\nTagwright-Automation: hello world", &ada, &none, None),
        ("S\n\nTagwright-Automation: hello/", &ada, &none, None),
        ("S\n\nTagwright-Automation: was the bot\nTagwright-Automation: ns/a", &ada, &none, trailer("ns/a")),
        ("Update from image update automations are bad", &ada, &none, None),
        ("Update from image update automation-like things", &ada, &none, None),
        (
            "Update from image update automation (#12)\n\nBody",
            &ada,
            &none,
            Some(Recognised::Prefix("Update from image update automation".into())),
        ),
        ("Revert \"Update image automatically.\"", &ada, &extra, None),
        ("", &ada, &extra, None),
    ];
    for (message, author, criteria, expected) in cases {
        assert_eq!(recognise(message, author, criteria), expected, "{message:?}");
    }
}

#[test]
fn releases_are_read_from_trailers_alone() {
    let check = |message: &str, expect: &[&str]| assert_eq!(releases(message), expect, "{message:?}");
    check("S\n\nTagwright-Release: ns:a\n", &["ns:a"]);
    check("S\n\nTagwright-Release: ns:a, ns:b ns/c\ntagwright-release: x:y\n", &["ns:a", "ns:b", "ns:c", "x:y"]);
    check("S\n\nTagwright-Release: ns:a\nTagwright-Automation: ns/a\n", &["ns:a"]);
    check("S\n\nTagwright-Release: ns:a\n\nMore text", &[]);
    check("Tagwright-Release: ns:a", &[]);
    check("S\n\nTagwright-Release:\n", &[]);
    check("", &[]);
}

#[test]
fn whose_commit_it_is() {
    let own = |name, email| Author { name, email };
    let ada = own("Ada", "ada@example.com");
    let check = |own: Author<'_>, message: &str, author: Author<'_>, expect: bool| {
        assert_eq!(is_written_by(&own, message, &author), expect, "{own} {message:?} {author}");
    };
    check(own("bot", "bot@example.com"), "S", own("other", "BOT@example.com "), true);
    check(own("bot", "bot@example.com"), "S", own("bot", "ada@example.com"), false);
    check(own("bot", ""), "S", own("bot", "ada@example.com"), true);
    check(own("bot", ""), "S", ada, false);
    check(own("", ""), "S", own("", ""), false);
    // Other bots': by the trailer, by the author, by the message.
    check(own("bot", "bot@example.com"), "S\n\nTagwright-Automation: ns/a\n", ada, true);
    check(own("bot", "bot@example.com"), "S", own("k", "kubevelabot@users.noreply.github.com"), true);
    check(own("bot", "bot@example.com"), "Update from image update automation", ada, true);
    check(own("bot", "bot@example.com"), "Revert \"Update from image update automation\"", ada, false);
}

/// Each image once, in the order of the files, with what stood there first and what is selected.
#[test]
fn images_are_listed_once_each() {
    let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
    let template = "{{ range .Images }}{{ .Name }} {{ .Path }} {{ .OldTag }}@{{ .OldDigest }} {{ .NewTag }}@{{ .NewDigest }}\n{{ end }}";
    let web = format!("ghcr.io/acme/web:1.1@{}", digest("b"));
    let old_web = format!("ghcr.io/acme/web:1.0@{}", digest("a"));
    let changes = [
        change("b.yaml", "1.25", "1.27", "shop:nginx:tag"),
        change("a.yaml", &old_web, &web, "shop:web"),
        change("a.yaml", "0.9", "1.1", "shop:web:tag"),
        change("c.yaml", "nginx", "nginx", "shop:nginx:name"),
        change("d.yaml", "acme/gone", "acme/here", "shop:here:name"),
        change("e.yaml", "acme/own:1\u{202e}", "acme/own:2", "shop:own"),
    ];
    let images = [("shop:web", web.as_str()), ("shop:nginx", "nginx:1.27"), ("shop:here", "acme/here:3")];
    let expect = format!(
        "ghcr.io/acme/web acme/web 1.0@{} 1.1@{}\nnginx nginx 1.25@ 1.27@\nacme/here acme/here @ 3@\nacme/own acme/own @ 2@\n",
        digest("a"),
        digest("b")
    );
    assert_eq!(message(template, &changes, &images).unwrap(), expect);
    assert_eq!(message("{{ len .Images }}{{ with first .Images }}x{{ end }}", &[], &[]).unwrap(), "0");
    let unknown = [change("a.yaml", "1", "2", "shop:app:tag")];
    assert_eq!(message(template, &unknown, &[]).unwrap(), "shop:app shop:app 1@ 2@\n");
}
