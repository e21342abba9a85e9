//! The kinds of documents that are read, each as short as it can be.

use serde_json::{Value, json};

use crate::crawl::{Seed, Step};

/// Each kind by its name.
pub(crate) fn all() -> Vec<(&'static str, Seed)> {
    vec![
        ("ImageAutomation", alone(native())),
        ("GitRepository", alone(flux("source.toolkit.fluxcd.io/v1", "GitRepository"))),
        ("ImageRepository", alone(flux("image.toolkit.fluxcd.io/v1", "ImageRepository"))),
        ("ImagePolicy", alone(flux("image.toolkit.fluxcd.io/v1", "ImagePolicy"))),
        ("ImageUpdateAutomation", alone(flux("image.toolkit.fluxcd.io/v1", "ImageUpdateAutomation"))),
        ("Receiver", alone(flux("tagwright.dev/v1alpha1", "Receiver"))),
        ("GitSync", alone(git_sync())),
        ("Notification", alone(flux("tagwright.dev/v1alpha1", "Notification"))),
        ("Provider", alone(flux("notification.toolkit.fluxcd.io/v1beta3", "Provider"))),
        ("Alert", alone(flux("notification.toolkit.fluxcd.io/v1beta3", "Alert"))),
        ("Application", Seed { root: component(), ..alone(application()) }),
        ("Secret", Seed { others: vec![native()], ..alone(secret()) }),
    ]
}

fn alone(document: Value) -> Seed {
    Seed { document, others: Vec::new(), root: Vec::new() }
}

/// An automation with a secret.
pub(crate) fn native() -> Value {
    json!({
        "apiVersion": "tagwright.dev/v1alpha1",
        "kind": "ImageAutomation",
        "metadata": {"name": "shop"},
        "spec": {
            "git": {"url": "https://git.example.com/acme/config.git", "secretRef": {"name": "login"}},
            "windows": [{"schedule": "0 9 * * 1-5", "duration": "8h"}],
            "freeze": [{"from": "2026-12-24", "to": "2026-12-27"}],
            "images": [],
        },
    })
}

fn git_sync() -> Value {
    json!({
        "apiVersion": "tagwright.dev/v1alpha1",
        "kind": "GitSync",
        "metadata": {"name": "rendered"},
        "spec": {
            "url": "https://git.example.com/acme/config.git",
            "windows": [{"schedule": "0 9 * * 1-5", "duration": "8h"}],
            "freeze": [{"from": "2026-12-24", "to": "2026-12-27"}],
        },
    })
}

fn flux(version: &str, kind: &str) -> Value {
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": "shop"}, "spec": {}})
}

/// Where an Application says something about images.
fn component() -> Vec<Step> {
    vec![Step::Field("spec".to_owned()), Step::Field("components".to_owned()), Step::Item]
}

fn application() -> Value {
    let component = json!({"name": "shop", "type": "kustomize", "properties": {"imageRepository": {}}});
    json!({
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {"name": "shop"},
        "spec": {"components": [component]},
    })
}

fn secret() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "login"},
        "stringData": {"username": "bot", "password": "sesame"},
    })
}
