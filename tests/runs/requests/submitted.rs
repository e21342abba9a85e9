//! What is submitted to a place that proposes it.

use tagwright::act;
use tagwright::run::{AutomationReport, Progress};
use tagwright_core::submit::{GitSync, Input, Submission};

use super::*;

const PROPOSED: &str = "tagwright/default/rendered";

/// Submits ConfigMaps with these names and values.
async fn submit(world: &World, sync: &GitSync, resources: &[(&str, &str)]) -> AutomationReport {
    let text: String = resources
        .iter()
        .map(|(name, value)| {
            format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: shop}}\ndata: {{key: {value}}}\n")
        })
        .collect();
    let submission = Submission::read(&[Input { name: "test", text: &text }], sync.secrets).unwrap();
    Box::pin(act::submit(world.bot.context(), sync, &submission, &Progress::default())).await
}

#[track_caller]
fn ended(report: &AutomationReport, outcome: &str, said: &str) {
    assert_eq!(report.outcome.as_str(), outcome, "{report:?}");
    let request = report.request.as_deref().unwrap_or_default();
    assert!(request.contains(said) && said.is_empty() == request.is_empty(), "{request:?}");
}

#[tokio::test]
async fn a_submission_is_proposed_kept_current_and_withdrawn() {
    let world = World::with(Product::GitHub, "", &["1.1.0"]).await;
    let text = format!(
        "apiVersion: tagwright.dev/v1alpha1\nkind: GitSync\nmetadata: {{name: rendered}}\nspec:\n  url: '{}'\n  branch: main\n  path: prod\n  prune: true\n  \
         pullRequest: {{title: 'Render {{{{ len .Created }}}}', forge: {{kind: github, url: '{}'}}, secretRef: {{name: forge}}}}\n---\napiVersion: v1\nkind: \
         Secret\nmetadata: {{name: forge, namespace: default}}\nstringData: {{token: {TOKEN}}}\n",
        world.automations[0].remote.url, world.forge.base
    );
    let configuration = tagwright::config::parse("sync.yaml", &text).unwrap_or_else(|error| panic!("{error}"));
    let sync = &configuration.syncs[0];
    let main = world.at("main");
    ended(&submit(&world, sync, &[("a", "one")]).await, "pushed", "was opened");
    assert_eq!((world.at("main"), world.forge.states()), (main.clone(), vec![(1, "open")]));
    assert!(world.bot.remote.show(&format!("{PROPOSED}:prod/shop/configmap-a.yaml")).contains("key: one"));
    // The same is there, and is not pushed again.
    let before = world.at(PROPOSED);
    let same = submit(&world, sync, &[("a", "one")]).await;
    ended(&same, "unchanged", "");
    assert_eq!((world.at(PROPOSED), same.submitted.map_or(0, |planned| planned.unchanged)), (before, 1));
    // Something else is one commit on the same request.
    ended(&submit(&world, sync, &[("a", "two"), ("b", "one")]).await, "pushed", "was updated");
    assert_eq!((world.at("main"), world.forge.states()), (main.clone(), vec![(1, "open")]));
    let ahead = git(&world.bot.remote.bare(), &["rev-list", "--count", &format!("main..{PROPOSED}")]);
    assert_eq!(ahead.trim(), "1");
    // Nothing is left to propose.
    ended(&submit(&world, sync, &[]).await, "unchanged", "was closed");
    assert_eq!((world.at("main"), world.forge.states()), (main, vec![(1, "closed")]));
    world.bot.remote.fsck();
}
