//! `tagwright explain` where something stands between a selection and a commit, and what a run would make of it.

use std::sync::Arc;

use tagwright::store::{Image, Opened, SeenTag, Store};

use crate::{Scene, check, remote};

/// The same image, guarded, in an automation whose window opens every leap year, and one without windows.
const GUARDED: &str = r#"apiVersion: tagwright.dev/v1alpha1
kind: ImageAutomation
metadata: {name: guarded, namespace: default}
spec:
  git: {url: URL, paths: [apps]}
  images:
    - name: app
      image: HOST/team/app
      policy: {semver: {range: 6.x}}
      exclude: [6.1.1, /rc/]
---
apiVersion: tagwright.dev/v1alpha1
kind: ImageAutomation
metadata: {name: windowed, namespace: rarely}
spec:
  windows: [{schedule: "0 0 29 2 *", duration: 1s}]
  git: {url: URL, paths: [apps]}
  images:
    - {name: app, image: HOST/team/app, policy: {semver: {range: 6.x}}, minimumAge: 72h}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn guards_are_explained() {
    let scene = Scene::new(&[]).await;
    let text = GUARDED.replace("HOST", &scene.registry.host()).replace("URL", &scene.remote.path());
    scene.write("policies/shop.yaml", &text);
    let manifest = "a: 6.0.0 # {\"$imagepolicy\": \"default:app:tag\"}\n\
                    b: 6.1.1 # {\"$imagepolicy\": \"default:app:tag\"}\n\
                    c: 6.4.0 # {\"$imagepolicy\": \"default:app:tag\"}\n\
                    d: 6.0.0 # {\"$imagepolicy\": \"rarely:app:tag\"}\n\
                    e: 6.1.1 # {\"$imagepolicy\": \"rarely:app:tag\"}\n\
                    f: 6.0.0@sha256:DIGEST # {\"$imagepolicy\": \"default:app:tag\"}\n\
                    g: ${TAG} # {\"$imagepolicy\": \"default:app:tag\"}\n";
    let manifest = &manifest.replace("DIGEST", &"1f7eaeb0".repeat(8));
    scene.write("work/apps/a.yaml", manifest);
    let said = scene.run(&["explain", "default:app", "work"]);
    let expect = r"
- excluded by 6.1.1 of the policy                   1  6.1.1
- excluded by /rc/ of the policy                    1  6.2.0-rc.1
";
    assert!(said.out.contains(expect), "{}", said.out);
    let expect = "\ndefault/guarded in work below apps\n  \
        apps/a.yaml:1:4: 6.0.0 -> 6.1.0 (default:app:tag)\n  \
        apps/a.yaml:2:4: 6.1.1 -> 6.1.0 (default:app:tag)\n  \
        apps/a.yaml:3:4: 6.4.0 stays (default:app:tag): 6.4.0 ranks above 6.1.0, the best tag that default:app can select \
        now, and nothing goes backwards; the field stays until 6.4.0 or a better tag is listed, a person changes it, 6.4.0 \
        is excluded, or `allowDowngrade: true` is set\n  \
        apps/a.yaml:6:4: 6.0.0@sha256:1f7eaeb01f7eaeb01f7eaeb01f7eaeb01f7eaeb01f7eaeb01f7eaeb01f7eaeb0 stays \
        (default:app:tag): the value is pinned to a digest, and the selection of policy \"default:app\" has none; the field stays\n  \
        apps/a.yaml:7:4: ${TAG} stays (default:app:tag): the value has the variable ${TAG}, which is never written over; the \
        field stays\n";
    assert!(said.out.ends_with(expect), "{}", said.out);
    let one = scene.run(&["explain", "default:app", "--tag", "6.1.1"]);
    check(&one, 0, "6.1.1 is not selected: excluded by 6.1.1 of the policy\n");

    let said = scene.run(&["explain", "rarely:app", "work"]);
    let expect = "a tag counts once it has been known for 72h, which is not looked at here, since nothing tells since when tags \
        exist\n";
    assert!(said.out.contains(expect), "{}", said.out);
    let expect = "apps/a.yaml:4:4: 6.0.0 stays (rarely:app:tag): no window for commits is open, so the change waits; the next \
        one opens at 20";
    assert!(said.out.contains(expect), "{}", said.out);
    assert!(said.out.ends_with("\n  apps/a.yaml:5:4: 6.1.1 is up to date (rarely:app:tag)\n"), "{}", said.out);

    let json = scene.run(&["explain", "default:app", "work", "--output", "json"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let holds: Vec<_> = json["places"][0]["fields"].as_array().unwrap().iter().map(|field| &field["hold"]).collect();
    assert_eq!(holds, ["", "", "downgrade", "", ""]);
    assert_eq!((&json["dropped"][2]["cause"], &json["dropped"][2]["pattern"]), (&"denied".into(), &"6.1.1".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bot_has_left_counts() {
    let scene = Scene::new(&[]).await;
    let text = GUARDED.replace("HOST", &scene.registry.host()).replace("URL", &scene.remote.path());
    scene.write("policies/shop.yaml", &text);
    scene.write("work/apps/a.yaml", "a: 6.0.0 # {\"$imagepolicy\": \"default:app:tag\"}\n");
    {
        let now = jiff::Timestamp::now();
        let Opened::Ready { store, .. } = Store::open(&scene.folder.path().join("data")) else { panic!("in use") };
        let hour = std::time::Duration::from_secs(3600);
        let seen = |name: &str, age: u32| SeenTag {
            name: image::Tag::parse(name).unwrap(),
            first_seen: now - hour * age,
            pushed: None,
        };
        let tags = vec![seen("6.0.0", 1000), seen("6.0.1", 73), seen("6.1.0", 71)];
        let key = format!("rarely/app {}/team/app", scene.registry.host());
        store.put_images(vec![(key, Image { tags: Arc::new(tags), ..Image::default() })]).unwrap();
        store.hold("default:app", Some("freeze"), now).unwrap();
    }
    let said = scene.run(&["explain", "rarely:app", "--data-dir", "data"]);
    assert!(said.out.contains("a tag counts once it has been known for 72h\n"), "{}", said.out);
    assert!(said.out.contains("- could be selected, but too young"), "{}", said.out);
    assert!(said.out.contains("2  6.1.1, 6.1.0 (from 20"), "{}", said.out);
    assert!(said.out.ends_with("* 6.0.1  selected\n  6.0.0  candidate\n"), "{}", said.out);
    let said = scene.run(&["explain", "default:app", "work", "--data-dir", "data"]);
    assert!(said.out.contains("6.0.0 stays (default:app:tag): held by hand since 20"), "{}", said.out);
    assert!(said.out.contains("(freeze); `tagwright release default:app` lifts it\n"), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_is_explained_as_a_run_would_treat_it() {
    let marked = |tag: &str| format!("tag: {tag} # {{\"$imagepolicy\": \"default:app:tag\"}}\n");
    let scene = Scene::new(&[("apps/a.yaml", &marked("6.0.0")), ("apps/b.yaml", &marked("6.1.0"))]).await;
    let explain = || scene.run(&["explain", "default:app", "--remote", "--data-dir", "data"]);
    let fields = || {
        let said = explain();
        let (_, fields) = said.out.split_once("\n\ndefault/shop on main of URL below apps\n").unwrap();
        fields.to_owned()
    };
    assert_eq!(fields().matches(" -> 6.1.1 (default:app:tag)\n").count(), 2, "{}", fields());
    assert_eq!(scene.run(&["run", "--once", "--data-dir", "data"]).code, 0);

    // A person takes one of the two back. The commits after it are more than what is fetched at first.
    remote::git(&scene.remote.work(), &["pull", "-q", "origin", "main"]);
    let now = jiff::Timestamp::now().as_second();
    scene.remote.commit_at(now, &[("apps/a.yaml", &marked("6.0.0"))], "Back to 6.0.0");
    for _ in 0..5 {
        scene.remote.commit_at(now, &[], "Something else");
    }
    let taken_back = "apps/a.yaml:1:6: 6.0.0 stays (default:app:tag): someone undid ";
    let up_to_date = "apps/b.yaml:1:6: 6.1.1 is up to date (default:app:tag)\n";
    assert!(fields().contains(taken_back) && fields().contains(up_to_date), "{}", fields());
    std::fs::remove_dir_all(scene.folder.path().join("data/mirrors")).unwrap();
    assert!(fields().contains(taken_back), "{}", fields());
    let json = scene.run(&["explain", "default:app", "--remote", "--output", "json"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["places"][0]["fields"][0]["hold"], "reverted", "{json}");

    // It is what a run does, too.
    let head = scene.remote.at("refs/heads/main");
    assert_eq!(scene.run(&["run", "--once", "--data-dir", "data"]).code, 0);
    assert_eq!(scene.remote.at("refs/heads/main"), head);

    for (order, expect) in [
        (["hold", "default:app"], "apps/a.yaml:1:6: 6.0.0 stays (default:app:tag): held by hand since 20"),
        (["release", "default:app"], "apps/a.yaml:1:6: 6.0.0 -> 6.1.1 (default:app:tag)\n"),
        (["suspend", "default/shop"], "apps/a.yaml:1:6: 6.0.0 stays (default:app:tag): suspended by hand since 20"),
    ] {
        let said = scene.run(&[order[0], order[1], "--data-dir", "data"]);
        assert_eq!(said.code, 0, "{}", said.err);
        assert!(fields().contains(expect), "{order:?}: {}", fields());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_a_run_would_not_believe_selects_nothing() {
    let scene = Scene::new(&[]).await;
    assert_eq!(scene.run(&["run", "--once", "--data-dir", "data"]).code, 0);
    scene.registry.change(|world| world.repositories.get_mut("team/app").unwrap().retain(|tag| tag != "6.1.1"));
    let said = scene.run(&["explain", "default:app", "--data-dir", "data"]);
    assert!(said.out.contains("\nnothing is selected: "), "{}", said.out);
    assert!(said.out.contains("6.1.1"), "{}", said.out);
    assert_eq!(said.code, 1);
    let without = scene.run(&["explain", "default:app"]);
    assert_eq!((without.code, without.out.contains("* 6.1.0  selected\n")), (0, true), "{}", without.out);

    let Opened::Ready { store, .. } = Store::open(&scene.folder.path().join("data")) else { panic!("in use") };
    let in_use = scene.run(&["explain", "default:app", "--data-dir", "data"]);
    drop(store);
    assert_eq!(in_use.code, 0, "{}", in_use.err);
    assert!(in_use.err.starts_with("note: the state in data is in use: "), "{}", in_use.err);
}

/// What an image lacks is asked for as a run would, and told of each that is passed over.
#[tokio::test(flavor = "multi_thread")]
async fn images_that_are_passed_over_are_explained() {
    let scene = Scene::new(&[]).await;
    let config = |architecture: &str| serde_json::json!({"os": "linux", "architecture": architecture});
    let mut digests = Vec::new();
    scene.registry.change(|world| {
        for (tag, architecture) in [("6.3.0", "arm64"), ("6.2.9", "riscv64"), ("6.2.8", "amd64")] {
            digests.push(world.push("team/app", tag, &config(architecture)));
        }
    });
    let text = GUARDED.replace("HOST", &scene.registry.host()).replace("URL", &scene.remote.path()).replace(
        "      exclude: [6.1.1, /rc/]\n",
        &format!("      pin: digest\n      together: backend\n      platforms: [linux/amd64]\n      excludeDigests: ['{}']\n", digests[0]),
    );
    scene.write("policies/shop.yaml", &text);
    scene.write("work/apps/a.yaml", "a: 6.0.0 # {\"$imagepolicy\": \"default:app:tag\"}\n");
    let said = scene.run(&["explain", "default:app", "work"]);
    let image = format!("the image that is selected is {}\n", digests[2]);
    assert!(said.out.contains(&image), "{}", said.out);
    let better = format!("6.3.0 is better, but {} is named by `excludeDigests`\n", &digests[0][..19]);
    assert!(said.out.contains(&better), "{}", said.out);
    assert!(said.out.contains("it moves only together with the other policies of 'backend'"), "{}", said.out);
    let rows = [
        "- could be selected, but passed over (denied-digest)    1  6.3.0\n",
        "- could be selected, but passed over (lacks-platform)   1  6.2.9\n",
        "* 6.2.8  selected\n",
    ];
    rows.iter().for_each(|row| assert!(said.out.contains(row), "{row}: {}", said.out));
    assert!(said.out.ends_with("apps/a.yaml:1:4: 6.0.0 -> 6.2.8 (default:app:tag)\n"), "{}", said.out);
    let one = scene.run(&["explain", "default:app", "--tag", "6.2.9"]);
    check(&one, 0, "6.2.9 is not selected: passed over: its image is not there for linux/amd64\n");
    let json = scene.run(&["explain", "default:app", "--output", "json"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["selected"], &json["digest"]), (&"6.2.8".into(), &digests[2].as_str().into()), "{json}");
    let causes: Vec<_> = json["dropped"].as_array().unwrap().iter().map(|group| &group["cause"]).collect();
    assert!(causes.contains(&&"lacks-platform".into()) && causes.contains(&&"denied-digest".into()), "{json}");
    // Tags from elsewhere have no images that could be asked for.
    scene.write("tags.txt", "6.3.0\n6.2.8\n");
    let said = scene.run(&["explain", "default:app", "--tags", "tags.txt"]);
    assert!(
        said.out.contains("what is required of images is not looked at, since these are not the tags"),
        "{}",
        said.out
    );
}
