//! Words of others: on one line, and nothing in them acts, whoever says them and wherever they are shown.

use crate::registry::{Fault, World as Listed};
use crate::site::{Live, SHOP, Site, native};
use crate::world::{Run, World};

/// What acts on a terminal or in a log: a forged line, a carriage return, a colour, a title, a turned direction, no width.
const EVIL: &str = "evil\r\nerror: forged\n2026-01-01T00:00:00Z INFO forged\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\u{202e}\u{2028}\u{200b}end";

#[track_caller]
fn is_harmless(run: &Run, case: &str) {
    for text in [&run.stdout, &run.stderr] {
        let acts = |c: char| c != '\n' && !words::is_harmless(&c.to_string());
        assert!(!text.contains(acts), "{case}: {text:?}");
        let forged = text.lines().find(|line| line.starts_with("error: forged") || line.contains("Z INFO forged"));
        let begins = forged.is_some_and(|line| line.starts_with("error: forged") || line.starts_with("2026-"));
        assert!(!begins, "{case}: {text:?}");
        assert!(text.lines().all(|line| line.len() < 4_000), "{case}: {text:?}");
    }
}

/// What people give as arguments may come from a file that others wrote.
#[test]
fn arguments() {
    let world = World::new();
    for arguments in [
        vec!["select", "--semver=*", "--image", EVIL],
        vec!["select", "--semver", EVIL, "1.0.0"],
        vec!["select", "--semver=*", "--exclude", EVIL, "--image=a.io/b"],
        vec!["select", "--semver=*", "--filter-pattern", EVIL, "1.0.0"],
        vec!["select", "--semver=*", "--image=a.io/b", "--registry-mirror", EVIL],
        vec!["select", "--semver=*", "--explain", EVIL],
        vec!["select", "--semver=9.x", EVIL],
        vec!["run", "--once", "--config", EVIL],
        vec!["check", EVIL],
        vec!["mark", EVIL],
        vec!["mark", ".", "--git-url", EVIL],
        vec!["mark", ".", "--namespace", EVIL],
        vec!["set", ".", "--image", EVIL],
        vec!["set", EVIL, "--image=default:app=a.io/b:1"],
        vec!["set", ".", "--changes", EVIL],
        vec!["status", "--url", EVIL],
        vec!["status", "--data-dir", EVIL],
        vec!["history", "--data-dir=.", EVIL],
        vec!["hold", EVIL, "--data-dir=."],
        vec!["skip", "--commit", EVIL],
        vec!["message", "--template", EVIL],
        vec!["explain", "--config", EVIL],
    ] {
        is_harmless(&world.run(&arguments), &format!("{arguments:?}"));
    }
}

#[test]
fn registries() {
    let json = |message: &str| serde_json::json!({"errors": [{"code": message, "message": message}]}).to_string();
    let tags = serde_json::json!({"tags": [EVIL, "1.0.0", "\u{202e}1.1.0"]}).to_string();
    for fault in [
        Fault::Answer(400, Vec::new(), json(EVIL).into_bytes()),
        Fault::Answer(200, Vec::new(), json(EVIL).into_bytes()),
        Fault::Answer(401, vec![("www-authenticate", "Bearer realm=\"\\u{1b}x\"".to_owned())], Vec::new()),
        Fault::body(tags),
    ] {
        let site = Site::new(&["1.0.0"], SHOP);
        site.configure("shop.yaml", &native("shop", "app", "", ""));
        site.registry.change(|world| drop(world.broken.insert("tags/list".to_owned(), fault.clone())));
        for arguments in [vec![], vec!["--dry-run"], vec!["-vvv"], vec!["-vvv", "--log-format=json"]] {
            is_harmless(&site.run(&arguments), &format!("{fault:?}"));
        }
        let image = format!("--image={}/team/app", site.registry.host());
        for more in ["--list", "--explain", "--output=json"] {
            is_harmless(&site.world.run(["select", "--semver=1.x", &image, more]), &format!("{fault:?}"));
        }
    }
}

/// `--url` may name anything that answers.
#[test]
fn what_is_no_bot() {
    let status = serde_json::json!({
        "written": "2026-01-01T00:00:00Z", "version": EVIL, "started": "2026-01-01T00:00:00Z",
        "configuration": {"loaded": "2026-01-01T00:00:00Z", "failure": {"since": "2026-01-01T00:00:00Z", "message": EVIL}},
        "policies": [], "automations": [], "work": [{"subject": EVIL, "stage": EVIL, "what": EVIL, "since": "2026-01-01T00:00:00Z"}],
        "registries": [],
    });
    let world = World::new();
    for (code, body) in [
        (200, status.to_string()),
        (404, serde_json::json!({"error": EVIL}).to_string()),
        (500, EVIL.to_owned()),
        (200, EVIL.to_owned()),
    ] {
        let fault = Fault::Answer(code, Vec::new(), body.clone().into_bytes());
        let server = Live::start(Listed { broken: [(String::new(), fault)].into(), ..Listed::default() });
        let url = format!("http://{}", server.host());
        for arguments in [
            vec!["status", "--url", &url],
            vec!["history", "--url", &url],
            vec!["poll", "--all", "--url", &url],
            vec!["hold", "default:app", "--url", &url],
            vec!["release", "default:app", "--url", &url],
        ] {
            is_harmless(&world.run(&arguments), &format!("{arguments:?} {body}"));
        }
    }
}

/// Names and contents of a repository: a branch, a file, a commit, an author.
#[test]
fn repositories() {
    let name = "apps/e\u{1b}[31mvil\u{202e}\r\nerror: forged.yaml";
    let site = Site::new(&["1.0.0", "1.1.0"], SHOP);
    let work = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| drop(crate::remote::git(work.path(), arguments));
    git(&["clone", "-q", "--branch", "main", site.remote.bare().to_str().unwrap(), "."]);
    let file = work.path().join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let marked = SHOP.replace("1.0.0", "1.0.0\u{202e}");
    std::fs::write(&file, format!("{SHOP}---\n{marked}---\na: [\u{1b}]\n# {{\"$imagepolicy\": \"default:{EVIL}\"}}\n"))
        .unwrap();
    git(&["add", "-A"]);
    let author = format!("--author={} <a@example.com>", EVIL.replace(['\r', '\n'], " "));
    git(&["commit", "-q", "-m", EVIL, &author]);
    git(&["push", "-q", "origin", "HEAD:main"]);
    site.configure("shop.yaml", &native("shop", "app", "", ""));
    for arguments in [vec!["--dry-run", "-vv"], vec!["--data-dir=data"], vec!["--data-dir=data", "-vvv"]] {
        let run = site.run(&arguments);
        if !arguments.contains(&"--dry-run") {
            is_harmless(&run, &format!("{arguments:?}"));
        }
        is_harmless(&Run { stdout: String::new(), ..run }, &format!("{arguments:?}"));
    }
    for arguments in [
        vec!["check", "--config=config", "--remotes"],
        vec!["explain", "--config=config"],
        vec!["history", "--config=config"],
        vec!["history", "--config=config", "--data-dir=data"],
        vec!["status", "--data-dir=data"],
    ] {
        is_harmless(&site.world.run(&arguments), &format!("{arguments:?}"));
    }
    let folder = work.path().to_str().unwrap();
    for arguments in [vec!["check", folder], vec!["mark", folder, "--offline"], vec!["skip", "--directory", folder]] {
        is_harmless(&site.world.run(&arguments), &format!("{arguments:?}"));
    }
}

/// Every value of a configuration may be anything that YAML can say.
#[test]
fn configurations() {
    let evil = serde_json::to_string(EVIL).unwrap();
    let good = native("shop", "app", "", "").replace("REMOTE", "https://git.example.com/a.git");
    let world = World::new();
    for (what, by) in [
        ("shop", evil.clone()),
        ("REGISTRY/team/app", evil.clone()),
        ("https://git.example.com/a.git", evil.clone()),
        ("https://git.example.com/a.git", format!("https://git.example.com/{}", evil.trim_matches('"'))),
        ("1.x", evil.clone()),
        ("range", evil.clone()),
        ("ImageAutomation", evil.clone()),
        ("tagwright.dev/v1alpha1", evil.clone()),
        ("name: app", format!("name: {evil}")),
        ("policy:", format!("secretRef: {{name: {evil}}}\n      policy:")),
        ("policy:", format!("exclude: [{evil}]\n      policy:")),
        ("policy:", format!("filterTags: {{pattern: {evil}, extract: {evil}}}\n      policy:")),
        ("url:", format!("push: {{branch: {evil}}}\n    url:")),
        ("url:", format!("push: {{refspec: {evil}, options: {{{evil}: {evil}}}}}\n    url:")),
        ("url:", format!("commit: {{message: {evil}, author: {{email: {evil}, name: {evil}}}}}\n    url:")),
        (
            "url:",
            format!("commit: {{message: {}}}\n    url:", serde_json::to_string(&format!("{{{{ {EVIL} }}}}")).unwrap()),
        ),
        ("spec:", format!("spec:\n  interval: {evil}")),
        ("spec:", format!("spec:\n  windows: [{{schedule: {evil}, duration: 1h}}]")),
        ("spec:", format!("spec:\n  paths: [{evil}]")),
        ("spec:", format!("spec: &a\n  interval: *{}", EVIL.split('\r').next().unwrap())),
        ("spec:", "spec:\u{9b}\u{202e}".to_owned()),
        ("spec:", "spec: # \u{9b}31m \u{202e}\r x\n  intervall: 5m".to_owned()),
    ] {
        world.write("config/shop.yaml", good.replacen(what, &by, 1));
        for arguments in [
            vec!["run", "--once", "--config=config", "--dry-run"],
            vec!["check", "--config=config"],
            vec!["check", "--config=config", "--output=github"],
            vec!["explain", "--config=config", "--offline"],
            vec!["explain", "--config=config"],
        ] {
            is_harmless(&world.run(&arguments), &format!("{what} {by} {arguments:?}"));
        }
    }
    std::fs::rename(
        world.path("config/shop.yaml"),
        world.path("config").join(format!("{}.yaml", EVIL.replace('/', ""))),
    )
    .unwrap();
    for arguments in [vec!["run", "--once", "--config=config"], vec!["check", "--config=config"]] {
        is_harmless(&world.run(&arguments), "the name of a file");
    }
}
