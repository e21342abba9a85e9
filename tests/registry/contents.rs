//! Manifests, blobs and what refers to them.

use image::{Digest, Repository, Tag};
use registry::{By, Client, Content, Error, Kind, Mirror, Settings};
use serde_json::{Value, json};

use crate::simulated::artifacts::{Api, Artifacts, OCI_INDEX, OCI_MANIFEST, index};
use crate::simulated::{Account, Auth, Bearer, Fault, Registry, World, digest};
use crate::{access, client, message, repository, settings, with_logins};

const APP: &str = "team/app";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

fn parsed(digest: &str) -> Digest {
    Digest::parse(digest).unwrap()
}

fn world(fill: impl FnOnce(&mut Artifacts)) -> World {
    let mut world = World::with(APP, ["1.0"]);
    fill(&mut world.artifacts);
    world
}

fn config(os: &str) -> Value {
    json!({"os": os, "architecture": "amd64", "created": "2026-01-02T03:04:05Z",
        "config": {"Labels": {"org.opencontainers.image.source": "https://example.com/app"}}})
}

fn entry(digest: &str, media_type: &str) -> Value {
    json!({"mediaType": media_type, "digest": digest, "size": 1, "platform": {"os": "linux", "architecture": "amd64"}})
}

/// A registry, how it is asked, and the repository.
async fn open(world: World) -> (Registry, Client, Repository) {
    let registry = Registry::start(world).await;
    let app = repository(&registry.host(), APP);
    (registry, client(), app)
}

#[tokio::test]
async fn an_index_and_its_images() {
    let mut ids = Vec::new();
    let (registry, client, app) = open(world(|artifacts| {
        let image = artifacts.put_image(APP, None, &config("linux"));
        let inner = artifacts.put(APP, None, OCI_INDEX, index(&[entry(&image, OCI_MANIFEST)]));
        let other = artifacts.put_image(APP, None, &config("windows"));
        let outer = index(&[entry(&inner, OCI_INDEX), entry(&other, OCI_MANIFEST)]);
        ids = vec![artifacts.put(APP, Some("1.0"), OCI_INDEX, outer), other, image];
    }))
    .await;
    let index = client.manifest(&app, By::Tag(&tag("1.0")), &access()).await.unwrap();
    assert_eq!((index.digest.as_str(), index.media_type.as_str()), (ids[0].as_str(), OCI_INDEX));
    let images = client.images(&app, &index, &access()).await.unwrap();
    let found: Vec<&str> = images.iter().map(|image| image.digest.as_str()).collect();
    assert_eq!(found, ids[1..]);
    assert_eq!(images[0].platform.as_ref().unwrap().to_string(), "linux/amd64");
    let image = client.manifest(&app, By::Digest(&parsed(&ids[1])), &access()).await.unwrap();
    let Content::Image { config, layers } = &image.content else { panic!("{image:?}") };
    assert_eq!(client.images(&app, &image, &access()).await.unwrap()[0].digest, image.digest);
    let config = client.config(&app, config, &access()).await.unwrap();
    assert_eq!(config.created.unwrap().to_string(), "2026-01-02T03:04:05Z");
    assert_eq!(config.platform.unwrap().to_string(), "windows/amd64");
    assert_eq!(config.labels["org.opencontainers.image.source"], "https://example.com/app");
    assert!(layers.is_empty() && registry.seen().iter().all(|seen| seen.method == "GET"));
}

#[tokio::test]
async fn manifests_that_are_refused() {
    let page = Fault::Answer(200, vec![("content-type", "text/html".to_owned())], b"<html>Sign in".to_vec());
    let image = json!({"schemaVersion": 2, "config": {"mediaType": "a", "digest": digest(APP, "1"), "size": 1}});
    let typed = |media_type: &str| {
        Fault::Answer(200, vec![("content-type", media_type.to_owned())], image.to_string().into_bytes())
    };
    let lie = vec![("docker-content-digest", digest(APP, "other"))];
    let cases = [
        (Fault::body(vec![b' '; 5 << 20]), "answered with more than 4194304 bytes"),
        (Fault::Answer(200, lie, image.to_string().into_bytes()), "answered with a manifest that has another digest"),
        (typed("application/vnd.oci.image.layer.v1.tar+json"), "which is no image"),
        (typed(OCI_INDEX), "answered with a manifest that is an image and an index at once"),
        (Fault::body("[[[["), "answered with something else than a manifest (line 1, column 1)"),
        (page, "answered with a web page (status 200)"),
    ];
    for (fault, expect) in cases {
        let (registry, client, app) = open(World::with(APP, ["1.0"]).failing("manifests/1.0", fault)).await;
        let error = client.manifest(&app, By::Tag(&tag("1.0")), &access()).await.unwrap_err();
        assert!(message(&error, &registry).contains(expect), "{error}: {expect}");
    }
    let (registry, client, app) = open(World::with(APP, ["1.0"])).await;
    let missing = parsed(&digest(APP, "missing"));
    let error = client.manifest(&app, By::Digest(&missing), &access()).await.unwrap_err();
    assert!(message(&error, &registry).starts_with(&format!("manifest 'REGISTRY/team/app@{missing}' does not exist")));
    assert_eq!(error.kind(), Kind::Denied);
}

#[tokio::test]
async fn the_bytes_behind_a_digest_are_the_ones_asked_for() {
    let asked = parsed(&digest(APP, "1.0"));
    let other = Fault::body(json!({"schemaVersion": 2, "manifests": []}).to_string());
    // The registry says the digest that was asked for; its bytes have another.
    let Fault::Answer(status, _, body) = other else { panic!() };
    let lie = Fault::Answer(status, vec![("docker-content-digest", asked.as_str().to_owned())], body);
    let world = World::with(APP, ["1.0"]).failing("manifests/1.0", lie.clone()).failing(asked.as_str(), lie);
    let (registry, client, app) = open(world).await;
    for by in [By::Tag(&tag("1.0")), By::Digest(&asked)] {
        let error = client.manifest(&app, by, &access()).await.unwrap_err();
        assert!(message(&error, &registry).ends_with("answered with a manifest that has another digest"), "{error}");
    }
    let registry = Registry::start(World::with(APP, ["1.0"]).failing(asked.as_str(), Fault::body("other"))).await;
    let error = client.blob(&repository(&registry.host(), APP), &asked, 100, &access()).await.unwrap_err();
    assert!(message(&error, &registry).ends_with("answered with a blob that has another digest"), "{error}");
}

#[tokio::test]
async fn indexes_without_end() {
    let (registry, client, app) = open(world(|artifacts| {
        let mut last = artifacts.put_image(APP, None, &config("linux"));
        let mut media_type = OCI_MANIFEST;
        for depth in (1..=4).rev() {
            let name = format!("depth-{depth}");
            last = artifacts.put(APP, Some(&name), OCI_INDEX, index(&[entry(&last, media_type)]));
            media_type = OCI_INDEX;
        }
        let inner: Vec<Value> = (0..17)
            .map(|number| {
                let mut leaf = entry(&digest(APP, "leaf"), OCI_MANIFEST);
                leaf["annotations"] = json!({"n": number.to_string()});
                entry(&artifacts.put(APP, None, OCI_INDEX, index(&[leaf])), OCI_INDEX)
            })
            .collect();
        artifacts.put(APP, Some("wide"), OCI_INDEX, index(&inner));
        let full: Vec<Value> = vec![entry(&digest(APP, "leaf"), OCI_MANIFEST); 600];
        let full = entry(&artifacts.put(APP, None, OCI_INDEX, index(&full)), OCI_INDEX);
        artifacts.put(APP, Some("many"), OCI_INDEX, index(&[full.clone(), full]));
    }))
    .await;
    let cases = [
        ("depth-2", None),
        ("depth-1", Some("answered with more than 3 indexes one within the other")),
        ("wide", Some("answered with more than 16 indexes within it")),
        ("many", Some("answered with more than 1000 images")),
    ];
    for (name, expect) in cases {
        let top = client.manifest(&app, By::Tag(&tag(name)), &access()).await.unwrap();
        let images = client.images(&app, &top, &access()).await;
        match expect {
            None => assert_eq!(images.unwrap().len(), 1, "{name}"),
            Some(expect) => {
                let error = images.unwrap_err();
                let text = message(&error, &registry);
                assert_eq!(text, format!("REGISTRY/team/app@{} {expect}", top.digest));
                assert!(matches!(error, Error::TooLarge { .. }));
            }
        }
    }
    assert!(registry.seen().len() < 40, "no more was asked than the limits allow");
}

#[tokio::test]
async fn blobs_are_bounded_and_redirected_without_proof() {
    let mut blob = String::new();
    let fill = |artifacts: &mut Artifacts, blob: &mut String| {
        *blob = artifacts.put_blob(APP, "text/plain", "x".repeat(2000))["digest"].as_str().unwrap().to_owned();
    };
    let storage = Registry::start(world(|artifacts| fill(artifacts, &mut blob))).await;
    let accounts = vec![Account::new("me", "right")];
    for auth in [Auth::Basic(accounts.clone()), Auth::Bearer(Bearer::of(accounts.clone()))] {
        let registry = Registry::start(world(|artifacts| fill(artifacts, &mut blob)).guarded(auth)).await;
        let (client, app) = (client(), repository(&registry.host(), APP));
        let access = with_logins(&[(&registry.host(), "me", "right")]);
        assert_eq!(client.blob(&app, &parsed(&blob), 2000, &access).await.unwrap().len(), 2000);
        let error = client.blob(&app, &parsed(&blob), 1999, &access).await.unwrap_err();
        assert!(message(&error, &registry).ends_with("answered with more than 1999 bytes"), "{error}");
        let elsewhere = Fault::header(307, "location", format!("{}/v2/{APP}/blobs/{blob}", storage.url()));
        registry.change(|world| world.faults.push_back((blob.clone(), elsewhere)));
        assert_eq!(client.blob(&app, &parsed(&blob), 2000, &access).await.unwrap().len(), 2000);
        assert!(registry.seen().last().unwrap().authorization.is_some());
        assert_eq!(storage.seen().last().unwrap().authorization, None);
        let nowhere = Fault::header(307, "location", "http://169.254.169.254/latest/meta-data");
        registry.change(|world| world.faults.push_back((blob.clone(), nowhere)));
        let error = client.blob(&app, &parsed(&blob), 2000, &access).await.unwrap_err();
        assert!(message(&error, &registry).ends_with("which is a private address"), "{error}");
    }
}

/// An image that three artifacts refer to, and the registry's way of telling so.
fn referred(api: Api, image: &mut String) -> World {
    world(|artifacts| {
        artifacts.api = api;
        *image = artifacts.put_image(APP, Some("1.0"), &config("linux"));
        for body in ["a", "b", "c"] {
            artifacts.put_referrer(APP, image, BUNDLE, body);
        }
    })
}

#[tokio::test]
async fn referrers_by_each_way() {
    for api in [Api::Whole, Api::Paged(1), Api::Paged(2), Api::None] {
        let mut image = String::new();
        let (_registry, client, app) = open(referred(api, &mut image)).await;
        let referrers = client.referrers(&app, &parsed(&image), &access()).await.unwrap();
        let types: Vec<_> = referrers.iter().map(|referrer| referrer.artifact_type.as_deref()).collect();
        assert_eq!(types, [Some(BUNDLE); 3], "{api:?}");
        let first = client.manifest(&app, By::Digest(&referrers[0].digest), &access()).await.unwrap();
        assert_eq!(first.subject, Some(parsed(&image)));
        let Content::Image { layers, .. } = first.content else { panic!("{api:?}") };
        assert_eq!(client.blob(&app, &layers[0].digest, 10, &access()).await.unwrap(), b"a");
        let nothing = client.referrers(&app, &parsed(&digest(APP, "1.0")), &access()).await.unwrap();
        assert_eq!(nothing, [], "{api:?}");
    }
}

#[tokio::test]
async fn registries_without_referrers_say_so_in_many_ways() {
    let page = Fault::Answer(200, vec![("content-type", "text/html".to_owned())], b"<html>".to_vec());
    let ways = [Fault::status(404), Fault::status(400), Fault::status(405), Fault::status(501), page];
    for way in ways {
        let mut image = String::new();
        let mut world = referred(Api::None, &mut image);
        world.broken.insert(format!("referrers/{image}"), way.clone());
        let (_registry, client, app) = open(world).await;
        assert_eq!(client.referrers(&app, &parsed(&image), &access()).await.unwrap().len(), 3, "{way:?}");
    }
}

#[tokio::test]
async fn lists_of_referrers_that_are_refused() {
    let mut image = String::new();
    let (registry, client, app) = open(referred(Api::Endless, &mut image)).await;
    let error = client.referrers(&app, &parsed(&image), &access()).await.unwrap_err();
    let at = format!("http://REGISTRY/v2/team/app/referrers/{image}");
    assert_eq!(message(&error, &registry), format!("{at} answered with more than 20 pages of referrers"));
    assert_eq!(registry.count(&image), 20);

    let (registry, client, app) = open(world(|artifacts| {
        artifacts.api = Api::Paged(600);
        image = artifacts.put_image(APP, Some("1.0"), &config("linux"));
        (0..1001).for_each(|number| drop(artifacts.put_referrer(APP, &image, BUNDLE, number.to_string())));
    }))
    .await;
    let at = format!("http://REGISTRY/v2/team/app/referrers/{image}");
    let error = client.referrers(&app, &parsed(&image), &access()).await.unwrap_err();
    assert_eq!(message(&error, &registry), format!("{at} answered with more than 1000 referrers"));

    let manifest = json!({"schemaVersion": 2, "config": {"mediaType": "a", "digest": image, "size": 1}}).to_string();
    let circle = vec![("link", format!("</v2/{APP}/referrers/{image}>; rel=next"))];
    let cases = [
        (Fault::body("{}"), "answered with something else than a manifest (line 1, column 2)"),
        (Fault::body(manifest), "answered with a manifest in place of a list of referrers"),
        (Fault::body(vec![b' '; 5 << 20]), "answered with more than 4194304 bytes"),
        (Fault::Answer(200, circle, index(&[])), "leads back to an earlier page"),
        (Fault::status(403), "answered 403"),
    ];
    for (fault, expect) in cases {
        let (registry, client, app) = open(referred(Api::Whole, &mut image).failing(&image, fault)).await;
        let error = client.referrers(&app, &parsed(&image), &access()).await.unwrap_err();
        assert!(message(&error, &registry).contains(expect), "{error}: {expect}");
    }
}

#[tokio::test]
async fn a_mirror_without_signatures_does_not_hide_them() {
    let mut image = String::new();
    let upstream = Registry::start(referred(Api::Whole, &mut image)).await;
    let mirror = Registry::start(world(|artifacts| {
        artifacts.put_image(APP, Some("1.0"), &config("linux"));
    }))
    .await;
    let mirrors = vec![Mirror::parse(&format!("{}={}", upstream.host(), mirror.url())).unwrap()];
    let client = Client::new(Settings { mirrors, ..settings() }).unwrap();
    let app = repository(&upstream.host(), APP);
    assert_eq!(client.referrers(&app, &parsed(&image), &access()).await.unwrap().len(), 3);
    assert_eq!((mirror.count(&image), upstream.count(&image)), (1, 1));
    assert_eq!(client.attached(&app, &parsed(&image), ".sig", &access()).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_attached_by_a_tag() {
    let mut image = String::new();
    let (_registry, client, app) = open(world(|artifacts| {
        image = artifacts.put_image(APP, Some("1.0"), &config("linux"));
        let layers = [("text/plain", b"payload".to_vec(), json!({"dev.cosignproject.cosign/signature": "c2ln"}))];
        artifacts.put_layers(APP, &format!("{}.sig", image.replace(':', "-")), &layers);
    }))
    .await;
    let found = client.attached(&app, &parsed(&image), ".sig", &access()).await.unwrap().unwrap();
    let Content::Image { layers, .. } = found.content else { panic!() };
    assert_eq!(layers[0].annotations["dev.cosignproject.cosign/signature"], "c2ln");
    assert_eq!(client.blob(&app, &layers[0].digest, 10, &access()).await.unwrap(), b"payload");
    assert_eq!(client.attached(&app, &parsed(&image), ".att", &access()).await.unwrap(), None);
}

/// A layout with an image, what refers to it, and what is wrong.
fn layout(folder: &std::path::Path) -> (Repository, Digest) {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |body: &str| {
        let id = crate::simulated::digest_of(body.as_bytes());
        std::fs::write(blobs.join(id.strip_prefix("sha256:").unwrap()), body).unwrap();
        id
    };
    let configuration = json!({"mediaType": "a/b", "digest": put("{}"), "size": 2});
    let image = put(&json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": configuration}).to_string());
    let layer = json!({"mediaType": BUNDLE, "digest": put("bundle"), "size": 6});
    let subject = json!({"mediaType": OCI_MANIFEST, "digest": image, "size": 1});
    let referrer = json!({"schemaVersion": 2, "config": configuration, "layers": [layer], "subject": subject});
    let named = |name: &str| json!({"org.opencontainers.image.ref.name": name});
    let ending = image.replace(':', "-");
    let entries = json!([
        {"mediaType": OCI_MANIFEST, "digest": image, "size": 1, "annotations": named("1.0")},
        {"mediaType": OCI_MANIFEST, "digest": put(&referrer.to_string()), "size": 1},
        {"mediaType": OCI_MANIFEST, "digest": put("no manifest"), "size": 1},
        {"mediaType": OCI_MANIFEST, "digest": put("no manifest"), "size": 1, "annotations": named("bad")},
        {"mediaType": OCI_MANIFEST, "digest": image, "size": 1, "annotations": named(&format!("{ending}.sig"))},
    ]);
    std::fs::write(folder.join("index.json"), json!({"schemaVersion": 2, "manifests": entries}).to_string()).unwrap();
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
    let source = format!("oci-layout:{}", folder.display());
    (Repository::parse_source(&source).unwrap(), parsed(&image))
}

#[tokio::test]
async fn layouts_have_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (app, image) = layout(folder.path());
    let (client, access) = (client(), access());
    let manifest = client.manifest(&app, By::Tag(&tag("1.0")), &access).await.unwrap();
    assert_eq!(manifest.digest, image);
    assert_eq!(client.manifest(&app, By::Digest(&image), &access).await.unwrap(), manifest);
    let referrers = client.referrers(&app, &image, &access).await.unwrap();
    let [referrer] = referrers.as_slice() else { panic!("{referrers:?}") };
    assert_eq!(referrer.artifact_type.as_deref(), Some("a/b"));
    let bundle = parsed(&crate::simulated::digest_of(b"bundle"));
    assert_eq!(client.blob(&app, &bundle, 6, &access).await.unwrap(), b"bundle");
    let attached = client.attached(&app, &image, ".sig", &access).await.unwrap();
    assert_eq!(attached.map(|manifest| manifest.digest), Some(image.clone()));
    assert_eq!(client.attached(&app, &image, ".att", &access).await.unwrap(), None);
    let error = client.blob(&app, &bundle, 5, &access).await.unwrap_err();
    assert!(error.to_string().ends_with("is larger than 5 bytes"), "{error}");
    let error = client.manifest(&app, By::Tag(&tag("bad")), &access).await.unwrap_err();
    assert!(error.to_string().ends_with("is something else than a manifest"), "{error}");
    let file = folder.path().join("blobs").join(bundle.as_str().replace(':', "/"));
    std::fs::write(file, "tamper").unwrap();
    let error = client.blob(&app, &bundle, 6, &access).await.unwrap_err();
    assert!(error.to_string().ends_with("has another digest than its name says"), "{error}");
}

/// That there is none is an answer, and no failure; that nobody says so is one.
#[tokio::test]
async fn an_image_is_there_or_not() {
    let absent = parsed(&format!("sha256:{}", "0".repeat(64)));
    let mut image = String::new();
    let (registry, client, app) =
        open(world(|artifacts| image = artifacts.put_image(APP, None, &config("linux")))).await;
    assert!(client.has(&app, &parsed(&image), &access()).await.unwrap());
    assert!(registry.take_lines().iter().all(|line| !line.starts_with("GET") || line.contains("/v2/ ")), "not read");
    assert!(!client.has(&app, &absent, &access()).await.unwrap());
    let nowhere = repository(&registry.host(), "team/nowhere");
    assert!(!client.has(&nowhere, &absent, &access()).await.unwrap());
    registry.change(|world| drop(world.broken.insert(format!("manifests/{image}"), Fault::status(403))));
    assert_eq!(client.has(&app, &parsed(&image), &access()).await.unwrap_err().kind(), Kind::Denied);

    let folder = tempfile::tempdir().unwrap();
    let (app, image) = layout(folder.path());
    assert!(client.has(&app, &image, &access()).await.unwrap());
    assert!(!client.has(&app, &absent, &access()).await.unwrap());
}
