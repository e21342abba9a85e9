//! Secrets that come, change and go, while objects need them.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams};

use super::world::{Kind, RIGHTS, World, rights_without_secrets};
use crate::bot::Bot;
use crate::cluster::{Cluster, Manifest, eventually};
use crate::remote::Behaviour;
use crate::simulated::{Account, Auth};

/// `bot:first` and `bot:second` in base64.
const BOT_FIRST: &str = "Ym90OmZpcnN0";
const BOT_SECOND: &str = "Ym90OnNlY29uZA==";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_comes_changes_and_goes() {
    let world = World::new(Cluster::shared(), 2).await;
    world.registry.change(|registry| registry.auth = Auth::Basic(vec![Account::new("bot", "first")]));
    world.space.apply(&world.automation()).await;
    for n in 0..2 {
        world.space.apply(&[world.repository(n, ", secretRef: {name: login}"), world.policy(n)].concat()).await;
    }
    let mut bot = world.bot().await;
    says(&world, &mut bot, "AuthenticationFailed", "not found").await;

    log_in(&world, "first").await;
    world.settles(&mut bot, "with a login").await;

    world.registry.change(|registry| registry.auth = Auth::Basic(vec![Account::new("bot", "second")]));
    says(&world, &mut bot, "ReadOperationFailed", "401").await;
    log_in(&world, "second").await;
    world.release_all();
    world.settles(&mut bot, "with another login").await;

    // Nobody asks for a login that is good. It is missed when it is refused.
    Api::<Secret>::namespaced(world.space.admin.clone(), &world.space.name)
        .delete("login", &DeleteParams::default())
        .await
        .unwrap();
    world.registry.change(|registry| registry.auth = Auth::Basic(vec![Account::new("bot", "third")]));
    says(&world, &mut bot, "AuthenticationFailed", "not found").await;
    // What was selected goes on to count.
    assert_eq!(world.get(Kind::Policy, "app-0").await["status"]["latestRef"]["tag"], "1.0.1");
    log_in(&world, "third").await;
    world.release_all();
    world.settles(&mut bot, "with a login again").await;
    assert!(bot.stop().success());
}

/// Changes the login of the registry, and the secret after it was refused.
async fn change_login(world: &World<'_>, bot: &mut Bot) {
    world.registry.change(|registry| registry.auth = Auth::Basic(vec![Account::new("bot", "second")]));
    world.request(Kind::Repository, "app-0", "now").await;
    repository_says(world, bot, 0, "ReadOperationFailed", "401").await;
    log_in(world, "second").await;
    world.settles(bot, "with another login").await;
}

/// Whoever changes a login often changes the secret last. Nobody waits for the next poll then, nor for the time at which a secret
/// that was found is asked for again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_changes_after_it_was_refused() {
    let world = World::new(Cluster::shared(), 1).await;
    world.registry.change(|registry| registry.auth = Auth::Basic(vec![Account::new("bot", "first")]));
    log_in(&world, "first").await;
    let repository = world.repository(0, ", secretRef: {name: login}").replace("interval: 1s", "interval: 1h");
    world.space.apply(&[world.automation(), repository, world.policy(0)].concat()).await;
    let mut bot = world.bot().await;
    world.settles(&mut bot, "with a login").await;

    change_login(&world, &mut bot).await;
    assert!(bot.stop().success());
}

/// What an account names is said where the account is named, and counts as soon as it is there, or is another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_of_an_account_comes_and_changes() {
    let world = World::new(Cluster::shared(), 1).await;
    world.registry.change(|registry| registry.auth = Auth::Basic(vec![Account::new("bot", "first")]));
    let account =
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: puller}\nimagePullSecrets: [{name: login}]\n---\n";
    let repository = world.repository(0, ", serviceAccountName: puller").replace("interval: 1s", "interval: 1h");
    world.space.apply(&[account, &world.automation(), &repository, &world.policy(0)].concat()).await;
    let mut bot = world.bot().await;
    let (_, _, message) = repository_says(&world, &mut bot, 0, "AuthenticationFailed", "not found").await;
    let name = &world.space.name;
    let says = format!(
        "failed to configure authentication options: failed to get image pull secret for serviceaccount '{name}/puller': \
         secret '{name}/login' not found"
    );
    assert_eq!(message, says);

    log_in(&world, "first").await;
    world.settles(&mut bot, "with a login").await;

    change_login(&world, &mut bot).await;
    assert!(bot.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_of_a_remote_changes() {
    let world = World::new(Cluster::shared(), 1).await;
    let asks = |login: &str| Behaviour { authorization: Some(format!("Basic {login}")), ..Behaviour::default() };
    world.server.behave(asks(BOT_FIRST));
    let automation = world.automation().replace("interval: 1h,", "interval: 1h, secretRef: {name: git},");
    world.space.apply(&[automation, world.repository(0, ""), world.policy(0)].concat()).await;
    let mut bot = world.bot().await;
    automation_says(&world, &mut bot, "not found").await;

    git_login(&world, "first").await;
    world.release(0);
    world.settles(&mut bot, "with a login").await;

    world.server.behave(asks(BOT_SECOND));
    automation_says(&world, &mut bot, "denied access").await;
    git_login(&world, "second").await;
    world.release(0);
    world.settles(&mut bot, "with another login").await;
    assert!(bot.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_we_may_not_read() {
    let world = World::without_rights(Cluster::shared(), 2).await;
    let rights = rights_without_secrets().placed(&world.space.name);
    world.space.cluster.apply(&rights).await;
    log_in(&world, "any").await;
    world.space.apply(&[world.automation(), world.repository(0, ""), world.policy(0)].concat()).await;
    world.space.apply(&[world.repository(1, ", secretRef: {name: login}"), world.policy(1)].concat()).await;
    let mut bot = world.bot().await;
    let (_, _, message) = repository_says(&world, &mut bot, 1, "AuthenticationFailed", "forbidden").await;
    assert!(message.contains("secrets \"login\" is forbidden"), "{message}");
    world.release(0);
    eventually("the other one goes on", || async { world.is_committed(0).then_some(()) }).await;

    world.space.cluster.apply(&Manifest::read(RIGHTS.as_ref()).placed(&world.space.name)).await;
    world.settles(&mut bot, "with the right to read secrets").await;
    assert!(bot.stop().success());
}

/// Waits until both image repositories say why they cannot be polled.
async fn says(world: &World<'_>, bot: &mut Bot, reason: &str, words: &str) {
    for n in 0..2 {
        repository_says(world, bot, n, reason, words).await;
    }
}

async fn repository_says(
    world: &World<'_>,
    bot: &mut Bot,
    n: usize,
    reason: &str,
    words: &str,
) -> (String, String, String) {
    let name = format!("app-{n}");
    let is = |ready: &(String, String, String)| ready.0 == "False" && ready.1 == reason && ready.2.contains(words);
    let said = world.says(Kind::Repository, &name, &format!("{reason}: {words}"), is).await;
    bot.is_alive();
    said
}

async fn automation_says(world: &World<'_>, bot: &mut Bot, words: &str) {
    world.says(Kind::Automation, "shop", words, |ready| ready.0 == "False" && ready.2.contains(words)).await;
    bot.is_alive();
}

async fn log_in(world: &World<'_>, password: &str) {
    let auths = serde_json::json!({"auths": {world.registry.host(): {"username": "bot", "password": password}}});
    let text = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: login}}\ntype: kubernetes.io/dockerconfigjson\n\
         stringData: {{.dockerconfigjson: '{auths}'}}\n"
    );
    world.space.apply(&text).await;
}

async fn git_login(world: &World<'_>, password: &str) {
    let text = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: git}}\nstringData: {{username: bot, password: {password}}}\n"
    );
    world.space.apply(&text).await;
}
