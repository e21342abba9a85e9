//! `pullable`, in whole runs, as the table `fixtures/guards/pullable.json` says.
//!
//! A case is `tags`, each with the platforms of its index, or none where it has no index; `missing`, images that the registry has not yet;
//! `mirrors`, each with how much of a tag it has: `all`, its `index` alone, or that and the `first` image; the tag that is
//! selected, empty where none is, and the code of what is passed over.

use serde_json::Value;

use crate::admission::{APP, index};
use crate::simulated::Fault;
use crate::world::Bot;

/// The images of an index that can be run.
fn images(bot: &Bot, digest: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    bot.registry.change(|world| {
        let (_, body) = world.artifacts.manifest(APP, digest).unwrap();
        let manifest: Value = serde_json::from_slice(&body).unwrap();
        for entry in manifest["manifests"].as_array().into_iter().flatten() {
            let platform = &entry["platform"];
            let name = format!("{}/{}", platform["os"].as_str().unwrap(), platform["architecture"].as_str().unwrap());
            found.push((name, entry["digest"].as_str().unwrap().to_owned()));
        }
    });
    found
}

/// Copies so much of an image to a mirror.
fn copy(bot: &Bot, mirror: &str, digest: &str, much: &str) {
    let most = match much {
        "index" => 0,
        "first" => 1,
        "all" => usize::MAX,
        other => panic!("no amount {other}"),
    };
    let images = images(bot, digest).into_iter().take(most).map(|(_, image)| image);
    let all: Vec<String> = images.chain([digest.to_owned()]).collect();
    bot.registry.change(|world| {
        for digest in &all {
            let (kind, body) = world.artifacts.manifest(APP, digest).unwrap();
            world.artifacts.put(mirror, None, &kind, body);
        }
    });
}

#[tokio::test]
async fn what_can_be_pulled_is_as_the_table_says() {
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/guards/pullable.json");
    let table: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(table).unwrap()).unwrap();
    for case in &table {
        let name = case["case"].as_str().unwrap();
        let bot = Bot::start(&[]).await;
        let mut digests = std::collections::BTreeMap::new();
        for (number, tag) in (1..).zip(case["tags"].as_array().unwrap()) {
            let (tag, platforms) = (tag[0].as_str().unwrap(), tag[1].as_array().unwrap());
            let platforms: Vec<(&str, &str)> =
                platforms.iter().map(|it| it.as_str().unwrap().split_once('/').unwrap()).collect();
            let digest =
                if platforms.is_empty() { bot.push(tag, number) } else { index(&bot, tag, number, &platforms) };
            digests.insert(tag, digest);
        }
        for missing in case["missing"].as_array().into_iter().flatten() {
            let (tag, platform) = missing.as_str().unwrap().split_once(' ').unwrap();
            let image = images(&bot, &digests[tag]).into_iter().find(|(name, _)| name == platform).unwrap().1;
            let gone = Fault::error(404, "MANIFEST_UNKNOWN", "");
            bot.registry.change(|world| drop(world.broken.insert(format!("{APP}/manifests/{image}"), gone)));
        }
        let mut mirrors = Vec::new();
        for (number, mirror) in (1..).zip(case["mirrors"].as_array().unwrap()) {
            let path = format!("mirror/app-{number}");
            bot.registry.change(|world| drop(world.repositories.insert(path.clone(), Vec::new())));
            for (tag, much) in mirror.as_object().unwrap() {
                copy(&bot, &path, &digests[tag.as_str()], much.as_str().unwrap());
            }
            mirrors.push(format!("'{}/{path}'", bot.registry.host()));
        }
        let policy = "policy: {semver: {range: 1.x}}, digestReflectionPolicy: Always";
        let automations = bot.configuration(&format!("pullable: {{mirrors: [{}]}}, {policy}", mirrors.join(", ")));
        let (selected, code) = bot.selects(&automations).await;
        let expect = case["expect"].as_str().unwrap();
        let expect = digests.get(expect).map_or_else(|| "nothing".to_owned(), |digest| format!("{expect}@{digest}"));
        assert!(selected == expect || (expect == "nothing" && selected.starts_with("nothing: ")), "{name}: {selected}");
        assert_eq!(code, case["code"].as_str(), "{name}");
    }
    assert!(table.len() >= 10, "the table is there");
}
