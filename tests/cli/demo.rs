//! `demo`: the whole job, as a new user sees it first.

use crate::world::{Run, World};

/// Puts a placeholder in place of every commit hash.
fn without_hashes(run: Run) -> Run {
    let hash = regex::Regex::new("[0-9a-f]{40}").unwrap();
    Run { stdout: hash.replace_all(&run.stdout, "HASH").into_owned(), ..run }
}

#[test]
fn the_demo_does_the_whole_job() {
    let world = World::new();
    insta::assert_snapshot!(without_hashes(world.run(["demo"])).text(), @r#"
exit 0
-- stdout
Polled
  flux-system:podinfo: ghcr.io/stefanprodan/podinfo has 6 tags, selected ghcr.io/stefanprodan/podinfo:6.7.0
  default:image-gitops: ghcr.io/fogdong/test-fog has 3 tags, selected ghcr.io/fogdong/test-fog:master-6e9b0f9-1656569910
  shop:web: ghcr.io/acme/shop has 8 tags, selected ghcr.io/acme/shop:1.5.0
  shop:worker: ghcr.io/acme/shop-worker has 4 tags, selected ghcr.io/acme/shop-worker:main-9b0c4d2-1718200000

Automation flux-system/clusters
diff --git a/clusters/staging/podinfo.yaml b/clusters/staging/podinfo.yaml
--- a/clusters/staging/podinfo.yaml
+++ b/clusters/staging/podinfo.yaml
@@ -8,4 +8,4 @@
   values:
     image:
       repository: ghcr.io/stefanprodan/podinfo # {"$imagepolicy": "flux-system:podinfo:name"}
-      tag: '6.5.4' # {"$imagepolicy": "flux-system:podinfo:tag"}
+      tag: '6.7.0' # {"$imagepolicy": "flux-system:podinfo:tag"}

commit HASH on main of https://git.example.com/acme/clusters.git

  Automated image update

  Automation: flux-system/clusters
  - HelmRelease podinfo
    6.5.4 -> 6.7.0

Automation default/image-gitops
diff --git a/application/my-app.yaml b/application/my-app.yaml
--- a/application/my-app.yaml
+++ b/application/my-app.yaml
@@ -8,4 +8,4 @@
     - name: my-app
       type: webservice
       properties:
-        image: nginx # {"$imagepolicy": "default:image-gitops"}
+        image: ghcr.io/fogdong/test-fog:master-6e9b0f9-1656569910 # {"$imagepolicy": "default:image-gitops"}

commit HASH on image of https://github.com/FogDong/KubeVela-GitOps-Infra-Demo

  Update image automatically.
  Image: ghcr.io/fogdong/test-fog:master-6e9b0f9-1656569910

Automation shop/shop
diff --git a/clusters/prod/kustomization.yaml b/clusters/prod/kustomization.yaml
--- a/clusters/prod/kustomization.yaml
+++ b/clusters/prod/kustomization.yaml
@@ -5,4 +5,4 @@
 images:
   - name: worker
     newName: ghcr.io/acme/shop-worker # {"$imagepolicy": "shop:worker:name"}
-    newTag: main-3f2a9c1-1718000000 # {"$imagepolicy": "shop:worker:tag"}
+    newTag: main-9b0c4d2-1718200000 # {"$imagepolicy": "shop:worker:tag"}
diff --git a/clusters/prod/shop.yaml b/clusters/prod/shop.yaml
--- a/clusters/prod/shop.yaml
+++ b/clusters/prod/shop.yaml
@@ -11,5 +11,5 @@
       spec:
         containers:
         - name: web
-          image: ghcr.io/acme/shop:1.4.0 # {"$imagepolicy": "shop:web"}
+          image: ghcr.io/acme/shop:1.5.0 # {"$imagepolicy": "shop:web"}
           args: [ "--listen", ':8080' ]

commit HASH on main of https://git.example.com/acme/config.git

  Update images of production

  main-3f2a9c1-1718000000 -> main-9b0c4d2-1718200000
  ghcr.io/acme/shop:1.4.0 -> ghcr.io/acme/shop:1.5.0

  Tagwright-Automation: shop/shop
  Tagwright-Policy: shop:web
  Tagwright-Policy: shop:worker

Run again
  flux-system/clusters: nothing to do on main of https://git.example.com/acme/clusters.git
  default/image-gitops: nothing to do on image of https://github.com/FogDong/KubeVela-GitOps-Infra-Demo
  shop/shop: nothing to do on main of https://git.example.com/acme/config.git

Where to look
  tagwright demo --keep DIR leaves the configuration, the Git remotes and the mirrors in DIR
-- stderr
"#);
}

#[test]
fn a_kept_demo_has_the_commits_and_is_not_overwritten() {
    let world = World::new();
    let run = world.run(["demo", "--keep", "kept/here"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let (_, look) = run.stdout.split_once("Where to look\n").unwrap();
    insta::assert_snapshot!(look, @"
WORLD/kept/here/policies
git --git-dir WORLD/kept/here/remotes/config.git log --patch main
git --git-dir WORLD/kept/here/remotes/clusters.git log --patch main
git --git-dir WORLD/kept/here/remotes/vela.git log --patch image
");
    for command in look.lines().filter_map(|line| line.trim_start().strip_prefix("git ")) {
        let command = command.replace("WORLD", world.path("").to_str().unwrap().trim_end_matches('/'));
        let log = world.git("", &command.split(' ').collect::<Vec<_>>());
        assert_eq!(log.matches("\ncommit ").count() + 1, 2, "{log}");
        assert!(log.contains("{\"$imagepolicy\": "), "{log}");
    }
    let text = "Update image automatically.\nImage: ghcr.io/fogdong/test-fog:master-6e9b0f9-1656569910\n\n";
    assert_eq!(world.git("kept/here/remotes/vela.git", &["log", "-1", "--format=%B", "image"]), text);
    world.git("kept/here/remotes/config.git", &["fsck", "--strict"]);
    assert!(world.path("kept/here/policies/native.yaml").is_file());

    let before = world.git("kept/here/remotes/config.git", &["rev-parse", "main"]);
    insta::assert_snapshot!(world.run(["demo", "--keep", "kept/here"]).text(), @"
exit 2
-- stdout
-- stderr
error: kept/here is not empty
  hint: name a new directory
");
    assert_eq!(world.git("kept/here/remotes/config.git", &["rev-parse", "main"]), before);
    world.write("file", "mine");
    insta::assert_snapshot!(world.run(["demo", "--keep", "file"]).text(), @"
exit 2
-- stdout
-- stderr
error: file is not a directory
  hint: name a new directory
");
    assert_eq!(world.read("file"), "mine");
}

#[test]
fn the_demo_sees_neither_proxies_nor_git_s_environment() {
    let world = World::new();
    let mut command = world.tagwright(["demo"]);
    for (name, value) in [
        ("HTTP_PROXY", "http://127.0.0.1:9"),
        ("http_proxy", "http://127.0.0.1:9"),
        ("ALL_PROXY", "http://127.0.0.1:9"),
        ("GIT_DIR", "/nonexistent"),
        ("GIT_WORK_TREE", "/nonexistent"),
        ("GIT_OBJECT_DIRECTORY", "/nonexistent"),
    ] {
        command.env(name, value);
    }
    let run = world.finish(&mut command, b"");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
}
