//! Tags that are no images' of a registry: Helm charts and other artifacts, and image layouts.

use std::path::Path;

use serde_json::{Value, json};

use crate::registry::Registry;
use crate::remote::Remote;
use crate::world::World;

/// An automation for several images, each with a name and its further lines.
fn configure(world: &World, remote: &Remote<'_>, images: &[(&str, &str, &str)]) {
    let mut text = format!(
        "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {{name: shop}}\n\
         spec:\n  git: {{url: '{}', branch: main}}\n  images:\n",
        remote.path().display()
    );
    for (name, image, policy) in images {
        text.push_str(&format!("  - {{name: {name}, image: '{image}', policy: {policy}}}\n"));
    }
    world.write("config/shop.yaml", text);
}

/// Makes image layouts, as pipelines without a registry do.
fn lay_out(world: &World, registry: &Registry, name: &str, tags: &[&str], folder: &Path) {
    for tag in tags {
        let from = format!("docker://{}/{name}:{tag}", registry.authority());
        let to = format!("oci:{}:{tag}", folder.display());
        world.succeed("skopeo", ["--insecure-policy", "copy", "--src-tls-verify=false", from.as_str(), to.as_str()]);
    }
}

#[test]
fn charts_and_artifacts_from_a_registry_to_a_commit() {
    let world = World::new();
    let registry = Registry::open(&world);
    // As `helm push` names `1.5.0+up2.0`, and other tools what is no version.
    registry.push("charts/shop", &["1.4.0", "1.5.0_up2.0", "1.6.0-rc.1", "2.0.0", "latest", "main"]);
    registry.push("manifests/shop", &["main-1-5ae91c3", "main-12-0b1c2d3", "latest"]);
    let host = registry.authority();
    let release = |version: &str, tag: &str, revision: &str| {
        format!(
            "kind: HelmRelease\nspec:\n  chart:\n    spec:\n      chart: shop\n      \
             version: {version} # {{\"$imagepolicy\": \"default:chart:tag\"}}\n---\n\
             kind: OCIRepository\nspec:\n  url: oci://{host}/manifests/shop\n  \
             ref: {{tag: {tag}}} # {{\"$imagepolicy\": \"default:manifests:tag\"}}\n---\n\
             dependencies:\n- name: shop\n  version: '{version}' # {{\"$imagepolicy\": \"default:chart:tag\"}}\n  \
             repository: oci://{host}/charts\n---\n\
             source:\n  repoURL: {host}/charts\n  chart: shop\n  \
             targetRevision: {revision} # {{\"$imagepolicy\": \"default:chart:tag\"}}\n"
        )
    };
    let before = release("1.4.0", "main-1-5ae91c3", "1.4.0");
    let remote = Remote::create(&world, "remote", "main", &[("shop.yaml", before.as_bytes())]);
    let chart = format!("oci://{host}/charts/shop");
    let manifests = format!("{host}/manifests/shop");
    let by_number = "{numerical: {order: asc}}, filterTags: {pattern: '^main-(\\d+)-', extract: '$1'}";
    configure(&world, &remote, &[("chart", &chart, "{semver: {range: 1.x}}"), ("manifests", &manifests, by_number)]);
    world.run().expect(0, "pushed");
    assert_eq!(remote.file("main", "shop.yaml"), release("1.5.0+up2.0", "main-12-0b1c2d3", "1.5.0+up2.0"));
    world.run().expect(0, "unchanged");

    // Another build of that version is no step, the next version is.
    registry.push("charts/shop", &["1.5.0_up2.1"]);
    world.run().expect(0, "unchanged");
    registry.push("charts/shop", &["1.5.1_up2.1"]);
    world.run().expect(0, "pushed");
    assert_eq!(remote.file("main", "shop.yaml"), release("1.5.1+up2.1", "main-12-0b1c2d3", "1.5.1+up2.1"));
}

/// Charts as Helm itself makes and pushes them; tests/tools/provide brings it.
#[cfg(feature = "real-cluster")]
#[test]
fn charts_that_helm_has_pushed_to_a_commit() {
    let world = World::new();
    let registry = Registry::open(&world);
    let host = registry.authority();
    let tools = std::env::var("TAGWRIGHT_TEST_TOOLS").expect("tests/run names the folder with helm");
    let helm = format!("{tools}/helm");
    let push = |version: &str| {
        world.write("chart/shop/Chart.yaml", format!("apiVersion: v2\nname: shop\nversion: {version}\n"));
        world.write("chart/shop/templates/notes.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop}\n");
        let (chart, packed) = (world.path("chart/shop"), world.path("packed"));
        let (chart, packed) = (chart.display().to_string(), packed.display().to_string());
        world.succeed(&helm, ["package", chart.as_str(), "--destination", packed.as_str()]);
        let archive = format!("{packed}/shop-{version}.tgz");
        let to = format!("oci://{host}/charts");
        world.succeed(&helm, ["push", archive.as_str(), to.as_str(), "--plain-http"]);
    };
    ["1.4.0", "1.5.0+up2.0", "1.6.0-rc.1", "2.0.0"].into_iter().for_each(push);
    let file = |version: &str| {
        format!(
            "apiVersion: v2\nname: web\nversion: 0.1.0\ndependencies:\n  - name: shop\n    \
             version: {version} # {{\"$imagepolicy\": \"default:chart:tag\"}}\n    repository: oci://{host}/charts\n"
        )
    };
    let remote = Remote::create(&world, "remote", "main", &[("Chart.yaml", file("1.4.0").as_bytes())]);
    configure(&world, &remote, &[("chart", &format!("oci://{host}/charts/shop"), "{semver: {range: 1.x}}")]);
    world.run().expect(0, "pushed");
    assert_eq!(remote.file("main", "Chart.yaml"), file("1.5.0+up2.0"));
    push("1.5.1");
    world.run().expect(0, "pushed");
    assert_eq!(remote.file("main", "Chart.yaml"), file("1.5.1"));
}

#[test]
fn an_image_layout_to_a_commit() {
    let world = World::new();
    let registry = Registry::open(&world);
    registry.push("shop/app", &["1.0.0", "1.2.0", "2.0.0", "edge"]);
    let folder = world.path("layout");
    lay_out(&world, &registry, "shop/app", &["1.0.0", "1.2.0", "2.0.0", "edge"], &folder);
    let file = |tag: &str| {
        format!(
            "image: registry.example.com/shop/app:{tag} # {{\"$imagepolicy\": \"default:app\"}}\n\
             name: shop/app # {{\"$imagepolicy\": \"default:app:name\"}}\n"
        )
    };
    let remote = Remote::create(&world, "remote", "main", &[("shop.yaml", file("1.0.0").as_bytes())]);
    let layout = format!("oci-layout:{}", folder.display());
    configure(&world, &remote, &[("app", &layout, "{semver: {range: 1.x}}, digestReflectionPolicy: IfNotPresent")]);
    world.run().expect(0, "pushed");
    let index: Value = serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap();
    let named = |tag: &str| {
        let all = index["manifests"].as_array().unwrap();
        all.iter().find(|it| it["annotations"]["org.opencontainers.image.ref.name"] == tag).unwrap()
    };
    let digest = named("1.2.0")["digest"].as_str().unwrap().to_owned();
    assert_eq!(remote.file("main", "shop.yaml"), file(&format!("1.2.0@{digest}")));

    // Nothing is chosen of a layout that is damaged, or that somebody is just writing.
    lay_out(&world, &registry, "shop/app", &["1.0.0"], &world.path("other"));
    let mut wrong = index.clone();
    wrong["manifests"].as_array_mut().unwrap().push(json!({
        "mediaType": named("1.2.0")["mediaType"], "size": 2, "digest": format!("sha256:{}", "0".repeat(64)),
        "annotations": {"org.opencontainers.image.ref.name": "1.9.0"},
    }));
    let twice = json!({"schemaVersion": 2, "manifests": [named("2.0.0"), {
        "mediaType": named("1.2.0")["mediaType"], "size": 2, "digest": digest,
        "annotations": {"org.opencontainers.image.ref.name": "1.9.0"},
    }, {
        "mediaType": named("1.2.0")["mediaType"], "size": 2, "digest": named("2.0.0")["digest"],
        "annotations": {"org.opencontainers.image.ref.name": "1.9.0"},
    }]});
    let whole = index.to_string();
    let head = remote.head("main");
    let cases = [
        ("index.json", wrong.to_string(), "is not there"),
        ("index.json", twice.to_string(), "several manifests"),
        ("index.json", whole[..whole.len() / 2].to_owned(), "is not what it should be"),
        ("oci-layout", "{\"imageLayoutVersion\": \"2.0.0\"}".to_owned(), "only 1 is known"),
    ];
    for (name, content, says) in cases {
        let old = std::fs::read(folder.join(name)).unwrap();
        std::fs::write(folder.join(name), content).unwrap();
        world.run().fails(1, says);
        assert_eq!(remote.head("main"), head, "{says}");
        std::fs::write(folder.join(name), old).unwrap();
    }
    std::fs::remove_file(folder.join("index.json")).unwrap();
    world.run().fails(1, "index.json is not there");
}
