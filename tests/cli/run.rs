//! `run --once` against a simulated registry and a bare repository.

mod edges;
mod mistakes;
mod pushes;
mod second;
mod secrets;

use serde_json::{Value, json};

use crate::site::{FILE, SHOP, Site, native};
use crate::world::{list, text};

const TAGS: [&str; 5] = ["1.0.0", "1.1.0", "1.2.0-rc.1", "2.0.0", "latest"];

/// The shop with a native automation on `main`.
fn shop() -> Site {
    let site = Site::new(&TAGS, SHOP);
    site.configure("shop.yaml", &native("shop", "app", "branch: main", ""));
    site
}

#[test]
fn native_gives_one_commit_and_then_nothing() {
    let site = shop();
    let first = site.remote.at("main");
    let dry = site.run(&["--dry-run"]);
    insta::assert_snapshot!(dry.text(), @r#"
exit 3
-- stdout
diff --git a/clusters/shop.yaml b/clusters/shop.yaml
--- a/clusters/shop.yaml
+++ b/clusters/shop.yaml
@@ -5,4 +5,4 @@
 spec:
     template:
 
-        image:   'REGISTRY/team/app:1.0.0'   # {"$imagepolicy": "default:app"}
+        image:   'REGISTRY/team/app:1.1.0'   # {"$imagepolicy": "default:app"}
-- stderr
default:app: REGISTRY/team/app has 5 tags, selected REGISTRY/team/app:1.1.0
default/shop: would push to main of REMOTE, 1 change; the login may push
  clusters/shop.yaml:8: REGISTRY/team/app:1.0.0 -> REGISTRY/team/app:1.1.0 (default:app)
"#);
    assert_eq!(site.remote.at("main"), first, "a dry run pushes nothing");
    assert_eq!(site.run(&["--dry-run", "--output=json"]).json()["automations"][0]["outcome"], "would-push");

    insta::assert_snapshot!(site.run(&[]).text(), @"
exit 0
-- stdout
default/shop: pushed SHORT to main of REMOTE, 1 change
  clusters/shop.yaml:8: REGISTRY/team/app:1.0.0 -> REGISTRY/team/app:1.1.0 (default:app)
-- stderr
default:app: REGISTRY/team/app has 5 tags, selected REGISTRY/team/app:1.1.0
");
    assert_eq!(site.commits("main"), 2);
    assert_eq!(site.file("main"), SHOP.replace("app:1.0.0", "app:1.1.0"));
    insta::assert_snapshot!(site.log("main", "%an <%ae>, %cn <%ce>%n%B"), @"
tagwright <tagwright@users.noreply.example.com>, tagwright <tagwright@users.noreply.example.com>
Update app to 1.1.0

Tagwright-Automation: default/shop
Tagwright-Policy: default:app
");
    let touched = crate::remote::git(&site.remote.bare(), &["diff", "--stat", "--format=", "main~1", "main"]);
    assert!(touched.contains("1 file changed, 1 insertion(+), 1 deletion(-)"), "{touched}");
    site.remote.fsck();

    insta::assert_snapshot!(site.run(&[]).text(), @"
exit 0
-- stdout
default/shop: nothing to do on main of REMOTE
-- stderr
default:app: REGISTRY/team/app has 5 tags, selected REGISTRY/team/app:1.1.0
");
    assert_eq!(site.run(&["--dry-run"]).code, 0);
    assert_eq!(site.commits("main"), 2);
    let mut skip = site.world.tagwright(["skip", "main"]);
    let skip = site.world.finish(skip.current_dir(site.remote.bare()), b"");
    assert_eq!(skip.code, 0, "`skip` recognises the commit: {skip:?}");
}

#[test]
fn json_has_the_documented_shape() {
    let site = shop();
    insta::assert_snapshot!(site.run(&["--output=json"]).text(), @r#"
exit 0
-- stdout
{
  "policies": [
    {
      "namespace": "default",
      "name": "app",
      "image": "REGISTRY/team/app",
      "tag": "1.1.0",
      "digest": "",
      "hold": null,
      "passedOver": [],
      "remarks": [],
      "error": ""
    }
  ],
  "automations": [
    {
      "namespace": "default",
      "name": "shop",
      "outcome": "pushed",
      "commit": "HASH",
      "branch": "main",
      "changes": [
        {
          "file": "clusters/shop.yaml",
          "line": 8,
          "apiVersion": "apps/v1",
          "kind": "Deployment",
          "namespace": "prod",
          "name": "shop",
          "old": "REGISTRY/team/app:1.0.0",
          "new": "REGISTRY/team/app:1.1.0",
          "policy": "default:app"
        }
      ],
      "holds": [],
      "diagnostics": [],
      "request": "",
      "groups": [],
      "error": ""
    }
  ]
}
-- stderr
"#);
    insta::assert_snapshot!(site.run(&["--output=json"]).text(), @r#"
exit 0
-- stdout
{
  "policies": [
    {
      "namespace": "default",
      "name": "app",
      "image": "REGISTRY/team/app",
      "tag": "1.1.0",
      "digest": "",
      "hold": null,
      "passedOver": [],
      "remarks": [],
      "error": ""
    }
  ],
  "automations": [
    {
      "namespace": "default",
      "name": "shop",
      "outcome": "unchanged",
      "commit": "",
      "branch": "main",
      "changes": [],
      "holds": [],
      "diagnostics": [],
      "request": "",
      "groups": [],
      "error": ""
    }
  ]
}
-- stderr
"#);
}

const FLUX: &str = r#"apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: config, namespace: default}
spec: {interval: 1m, url: "file://REMOTE", ref: {branch: main}}
---
apiVersion: image.toolkit.fluxcd.io/v1beta2
kind: ImageRepository
metadata: {name: app, namespace: default}
spec: {image: REGISTRY/team/app, interval: 1m}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: app, namespace: default}
spec: {imageRepositoryRef: {name: app}, policy: {semver: {range: '>=1.0.0 <2.0.0'}}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: {name: flux, namespace: default}
spec:
  interval: 1m
  sourceRef: {kind: GitRepository, name: config}
  git:
    commit:
      author: {name: Flux, email: flux@example.com}
      messageTemplateValues: {cluster: prod}
      messageTemplate: |
        {{ .AutomationObject }} on {{ .Values.cluster }} [skip ci]
        {{ range $file, $_ := .Changed.FileChanges }}{{ $file }}{{ end }}
        {{ range .Changed.Changes }}{{ .OldValue }} -> {{ .NewValue }} ({{ .Setter }}){{ end }}
  update: {path: ./clusters, strategy: Setters}
"#;

#[test]
fn flux_documents_work_as_they_are() {
    let site = Site::new(&TAGS, SHOP);
    site.configure("flux.yaml", FLUX);
    let run = site.run(&["--output=json"]);
    assert_eq!((run.code, text(&run.json()["automations"][0], "outcome")), (0, "pushed"), "{run:?}");
    assert_eq!(site.file("main"), SHOP.replace("app:1.0.0", "app:1.1.0"));
    insta::assert_snapshot!(site.log("main", "%an <%ae>, %cn <%ce>%n%B"), @"
Flux <flux@example.com>, Flux <flux@example.com>
default/flux on prod [skip ci]
shop.yaml
REGISTRY/team/app:1.0.0 -> REGISTRY/team/app:1.1.0 (default:app)
");
    assert_eq!(run.json()["automations"][0]["changes"][0]["file"], FILE, "the report has paths from the root");
    assert_eq!(site.run(&["--output=json"]).json()["automations"][0]["outcome"], "unchanged");
}

#[test]
fn kubevela_s_application_gives_the_page_s_commit() {
    let file = include_str!("../../fixtures/kubevela/my-app.yaml");
    let tags = ["master-6e9b0f9-1656569910", "master-0a1b2c3-1656500000", "main-ffffff0-1999999999"];
    let site = Site::with(crate::registry::World::with("fogdong/test-fog", tags), "a: 1\n");
    crate::remote::git(&site.remote.work(), &["checkout", "-q", "-b", "image"]);
    site.remote.commit(&[("application/my-app.yaml", file)], "deploy");
    site.configure("application.yaml", include_str!("../../fixtures/kubevela/application.yaml"));
    let url = "https://github.com/FogDong/KubeVela-GitOps-Infra-Demo";
    site.world.write("home/.gitconfig", format!("[url \"{}\"]\n\tinsteadOf = {url}\n", site.remote.path()));
    site.world.write("secrets/default/git-secret/username", "bot");
    site.world.write("secrets/default/git-secret/password", "secret");
    let mirror = format!("--registry-mirror=ghcr.io={}", site.registry.url());
    let run = site.run(&["--secrets=secrets", &mirror]);
    assert_eq!((run.code, run.stderr.contains("warning")), (0, false), "{run:?}");
    insta::assert_snapshot!(site.log("image", "%an <%ae>, %cn <%ce>%n%B"), @"
kubevelabot <kubevelabot@users.noreply.github.com>, kubevelabot <kubevelabot@users.noreply.github.com>
Update image automatically.
Image: ghcr.io/fogdong/test-fog:master-6e9b0f9-1656569910
");
    let image = "ghcr.io/fogdong/test-fog:master-6e9b0f9-1656569910";
    let expected = file.replace("image: nginx #", &format!("image: {image} #"));
    assert_eq!(site.remote.show("image:application/my-app.yaml"), expected);
    assert_eq!(
        site.run(&["--secrets=secrets", &mirror, "--output=json"]).json()["automations"][0]["outcome"],
        "unchanged"
    );
}

/// The outcomes of a run by name of the automation.
fn outcomes(report: &Value) -> Vec<(&str, &str)> {
    list(&report["automations"]).iter().map(|it| (text(it, "name"), text(it, "outcome"))).collect()
}

#[test]
fn a_suspended_automation_is_held() {
    let site = shop();
    let config = native("held", "other", "branch: main", "").replace("spec:\n", "spec:\n  suspend: true\n");
    site.configure("held.yaml", &config);
    let run = site.run(&["--output=json"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(outcomes(&run.json()), [("held", "held"), ("shop", "pushed")]);
    assert_eq!(run.json()["automations"][0]["error"], "the automation is suspended");
    assert_eq!(run.stderr, "");
}

#[test]
fn markers_without_effect_are_findings_and_no_failure() {
    let file = format!(
        "{SHOP}{}",
        r#"more:
  a: x # {"$imagepolicy": "default:ap"}
  b: x # {"$imagepolicy": "default:app:digest"}
  c: x # {"$imagepolicy": "default:none"}
"#
    );
    let site = Site::new(&TAGS, &file);
    let none = "- {name: none, image: REGISTRY/team/app, policy: {semver: {range: 9.x}}}";
    let config = native("shop", "app", "paths: [clusters, nowhere]", "");
    site.configure("shop.yaml", &format!("{config}    {none}\n"));
    let run = site.run(&["--output=json"]);
    assert_eq!((run.code, outcomes(&run.json())), (0, vec![("shop", "pushed")]), "{run:?}");
    assert_eq!(site.file("main"), file.replace("app:1.0.0", "app:1.1.0"));
    insta::assert_snapshot!(site.run(&[]).text(), @r#"
exit 0
-- stdout
default/shop: nothing to do on main of REMOTE; 1 field stays, since its policy selects none
-- stderr
default:app: REGISTRY/team/app has 5 tags, selected REGISTRY/team/app:1.1.0
default:none: REGISTRY/team/app has 5 tags, selected none: none of 5 tags can be selected: 1 not a version, such as 'latest', 4 not in the range '9.x', such as '2.0.0'
  hint: `tagwright explain default:none` shows what becomes of every tag
warning: nowhere: TW011 the path of the automation does not exist in the repository
  hint: paths count from the root of the repository, on the branch that is read
warning: clusters/shop.yaml:10:6: TW001 no policy "default:ap" is in scope; did you mean "default:app"?
  hint: name a policy that an automation of this remote has, as `namespace:name`
warning: clusters/shop.yaml:11:6: TW009 the selection of policy "default:app" has no digest; the field stays
  hint: set `digestReflectionPolicy: IfNotPresent` in the policy
"#);
}

#[test]
fn hostile_tags_change_nothing_and_are_reported() {
    let tags = ["1.0.0", "1.9.9{{ .x }}", "1.9.8\n", "1.9.7\u{1b}[31m", "1.9.6 ", "", "1.9.5/../x"];
    let site = Site::new(&tags, SHOP);
    site.configure("shop.yaml", &native("shop", "app", "", ""));
    insta::assert_snapshot!(site.run(&[]).text(), @r#"
exit 0
-- stdout
default/shop: nothing to do on main of REMOTE
-- stderr
default:app: REGISTRY/team/app has 1 tag, selected REGISTRY/team/app:1.0.0
warning: TW012 REGISTRY/team/app lists tags that OCI does not allow (6, ignored): such as '', '1.9.5/../x', '1.9.6 ', '1.9.7\u{1b}[31m', '1.9.8\n'
"#);
    let run = site.run(&["--output=json"]);
    assert_eq!(outcomes(&run.json()), [("shop", "unchanged")]);
    let finding = &run.json()["automations"][0]["diagnostics"][0];
    assert_eq!((text(finding, "code"), text(finding, "file")), ("TW012", ""));
    assert_eq!(site.commits("main"), 1);
    assert!(!run.stdout.contains('\u{1b}'));
}

#[test]
fn digests_are_kept_refreshed_or_left_alone() {
    let old = format!("sha256:{}", "0".repeat(64));
    let new = crate::registry::digest("team/app", "1.1.0");
    let whole = |tag: &str, digest: &str| {
        format!("a: REGISTRY/team/app:{tag}@{digest} # {{\"$imagepolicy\": \"default:NAME\"}}\n")
    };
    let parts = |tag: &str, digest: &str| {
        let marker = |part| format!("# {{\"$imagepolicy\": \"default:NAME:{part}\"}}");
        format!("t: {tag} {}\nd: {digest} {}\n", marker("tag"), marker("digest"))
    };
    let without = "a: REGISTRY/team/app:1.1.0 # {\"$imagepolicy\": \"default:NAME\"}\n";
    let cases = [
        ("IfNotPresent", whole("1.1.0", &old), whole("1.1.0", &old)),
        ("IfNotPresent", whole("1.0.0", &old), whole("1.1.0", &new)),
        ("IfNotPresent", without.to_owned(), whole("1.1.0", &new)),
        ("IfNotPresent", parts("1.1.0", &old), parts("1.1.0", &old)),
        ("IfNotPresent", parts("1.0.0", &old), parts("1.1.0", &new)),
        ("Always", whole("1.1.0", &old), whole("1.1.0", &new)),
        ("Always", parts("1.1.0", &old), parts("1.1.0", &new)),
        // A pin is never dropped, and a tag never goes without its digest.
        ("Never", whole("1.1.0", &old), whole("1.1.0", &old)),
        ("Never", parts("1.0.0", &old), parts("1.0.0", &old)),
    ];
    let site = Site::new(&TAGS, "");
    let file = |number: usize| format!("digests/{number}.yaml");
    let named = |text: &str, number: usize| {
        text.replace("NAME", &format!("p{number}")).replace("REGISTRY", &site.registry.host())
    };
    let mut config = native("shop", "app", "", "");
    let mut files = Vec::new();
    for (number, (policy, before, _)) in cases.iter().enumerate() {
        config.push_str(&format!(
            "    - {{name: p{number}, image: REGISTRY/team/app, policy: {{semver: {{range: 1.x}}}}, digestReflectionPolicy: {policy}}}\n"
        ));
        files.push((file(number), named(before, number)));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    site.remote.commit(&files, "digests");
    site.configure("shop.yaml", &config);
    assert_eq!(outcomes(&site.run(&["--output=json"]).json()), [("shop", "pushed")]);
    for (number, (policy, before, after)) in cases.iter().enumerate() {
        let found = site.remote.show(&format!("main:{}", file(number)));
        assert_eq!(found, named(after, number), "{policy}: {before}");
    }
    assert_eq!(outcomes(&site.run(&["--output=json"]).json()), [("shop", "unchanged")]);
}

#[test]
fn several_files_and_policies_are_one_commit() {
    let listed = crate::registry::World::with("team/app", TAGS).and("team/db", ["db-7", "db-10", "db-x"]);
    let site = Site::with(listed, SHOP);
    let db = "image:\n  repository: x # {\"$imagepolicy\": \"default:db:name\"}\n  tag: db-1 # {\"$imagepolicy\": \"default:db:tag\"}\n";
    site.remote.commit(&[("clusters/db/values.yml", db), ("clusters/app.json", SHOP), ("other.txt", SHOP)], "db");
    let image = "- {name: db, image: REGISTRY/team/db, policy: {numerical: {order: asc}}, filterTags: {pattern: '^db-(.*)', extract: '$1'}}";
    site.configure("shop.yaml", &format!("{}    {image}\n", native("shop", "app", "", "")));
    let run = site.run(&["--output=json"]);
    assert_eq!(run.code, 0, "{run:?}");
    let report = run.json();
    let changes: Vec<_> =
        list(&report["automations"][0]["changes"]).iter().map(|it| (text(it, "file"), text(it, "new"))).collect();
    let app = "REGISTRY/team/app:1.1.0";
    assert_eq!(
        changes,
        [("clusters/db/values.yml", "REGISTRY/team/db"), ("clusters/db/values.yml", "db-10"), (FILE, app)]
    );
    assert_eq!(site.commits("main"), 3);
    let trailers = site.log("main", "%(trailers:only)");
    assert_eq!(
        trailers.trim(),
        "Tagwright-Automation: default/shop\nTagwright-Policy: default:app\nTagwright-Policy: default:db"
    );
    assert_eq!(report["automations"][0]["diagnostics"], json!([]));
}

/// In a file of its own, which holds nothing that a run could set.
#[test]
fn a_marker_with_a_misspelt_key_is_named() {
    let site = Site::new(&["1.0.0"], SHOP);
    site.configure("shop.yaml", &native("shop", "app", "branch: main", ""));
    site.remote.commit(&[("clusters/web.yaml", "a: web:1.0 # {\"$imagepolcy\": \"default:app\"}\n")], "misspelt");
    let run = site.run(&["--strict"]);
    assert_eq!(run.code, 3, "{run:?}");
    let says =
        r#"clusters/web.yaml:1:12: TW003 the comment is not a marker: its key is "$imagepolcy", not "$imagepolicy""#;
    assert!(run.text().contains(says), "{run:?}");
}

/// Flux writes it, too, and says nothing.
#[test]
fn a_marker_that_lacks_its_tag_is_said_with_what_it_writes() {
    let site = Site::new(&["1.0.0", "1.1.0"], "image:\n  tag: 1.0.0 # {\"$imagepolicy\": \"default:app\"}\n");
    site.configure("shop.yaml", &native("shop", "app", "branch: main", ""));
    let run = site.run(&[]);
    let says = r#"TW017 the field is for a tag alone, and this marker writes a whole image; write `{"$imagepolicy": "default:app:tag"}`"#;
    assert!(run.code == 0 && run.stderr.contains(says), "{run:?}");
    assert!(site.file("main").contains("tag: REGISTRY/team/app:1.1.0"), "{run:?}");
}

/// Each of these will never do anything, whatever is released.
#[test]
fn strict_ends_with_3_where_something_will_never_be_done() {
    let tags = &["1.0.0", "2.0.0"];
    let shop = |file: &str, text: &str| {
        let site = Site::new(tags, file);
        site.configure("shop.yaml", text);
        site
    };
    let native = native("shop", "app", "branch: main", "");
    for (what, file, text) in [
        (
            "a path that is not there",
            SHOP.to_owned(),
            native.replace("branch: main", "branch: main\n    paths: [nowhere]"),
        ),
        (
            "one of two paths",
            SHOP.to_owned(),
            native.replace("branch: main", "branch: main\n    paths: [clusters, nowhere]"),
        ),
        ("a policy that is not there", SHOP.replace("default:app", "default:ap"), native.clone()),
        ("a policy of which nothing is in range", SHOP.to_owned(), native.replace("1.x", "9.x")),
        ("no markers", SHOP.replace("imagepolicy", "image"), native.clone()),
        ("a marker with a field that is none", SHOP.replace("default:app", "default:app:tga"), native.clone()),
        (
            "a value that is sealed",
            SHOP.replace("'REGISTRY/team/app:1.0.0'", "ENC[AES256_GCM,data:eA==]"),
            native.clone(),
        ),
    ] {
        let site = shop(&file, &text);
        let (lax, strict) = (site.run(&[]), site.run(&["--strict"]));
        assert_eq!((lax.code, strict.code), (0, 3), "{what}: {strict:?}");
        let last = strict.stderr.lines().last().unwrap();
        assert!(last.ends_with("that no later run will mend (--strict)"), "{what}: {last}");
    }
    for (what, file, text) in [
        ("nothing to do", SHOP.to_owned(), native.clone()),
        ("a policy that is suspended", SHOP.to_owned(), native.replace("policy: {", "suspend: true\n      policy: {")),
        ("a tag that is too young", SHOP.to_owned(), native.replace("policy: {", "minimumAge: 24h\n      policy: {")),
    ] {
        let strict = shop(&file, &text).run(&["--strict"]);
        assert_eq!(strict.code, 0, "{what}: {strict:?}");
    }
    // A failure is worse, and a commit is no reason to say that all is well.
    let site = shop(SHOP, &native.replace("1.x", "9.x"));
    site.registry.change(|world| drop(world.broken.insert(String::new(), crate::registry::Fault::status(503))));
    assert_eq!(site.run(&["--strict"]).code, 1);
    let both = format!("{SHOP}other: REGISTRY/team/app:1.0.0 # {{\"$imagepolicy\": \"default:none\"}}\n");
    let site = shop(&both, &native.replace("1.x", "'>=1'"));
    assert_eq!(site.run(&["--strict"]).code, 3);
    assert_eq!(site.commits("main"), 2);
    site.world.run(["run", "--strict"]).refuses(2, "--once");
}
