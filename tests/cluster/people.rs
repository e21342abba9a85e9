//! What people order and ask by the objects: with the rights of the roles for people, and with a bot that obeys.

use std::io::Write as _;
use std::process::Command;

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::cluster::{Cluster, Manifest, eventually};
use crate::world::{World, condition, deployed};

/// What a command has come to.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Somebody at a terminal, by the token of an account.
pub(crate) struct Person {
    kubeconfig: NamedTempFile,
    pub(crate) namespace: String,
}

impl Person {
    fn new(world: &World<'_>, token: &str) -> Self {
        let (cluster, namespace) = (world.space.cluster, world.space.name.clone());
        let mut kubeconfig = NamedTempFile::new().unwrap();
        kubeconfig.write_all(cluster.kubeconfig(&cluster.url(), token, &namespace).as_bytes()).unwrap();
        Self { kubeconfig, namespace }
    }

    /// An account of this name, with roles for people in the namespace.
    async fn with_role(world: &World<'_>, account: &str, roles: &[&str]) -> Self {
        Self::bound(world, account, ("cluster-wide", "ClusterRole"), roles).await
    }

    /// The same, with the roles that the bot of one namespace comes with.
    pub(crate) async fn of_namespace(world: &World<'_>, account: &str, roles: &[&str]) -> Self {
        Self::bound(world, account, ("namespaced", "Role"), roles).await
    }

    async fn bound(world: &World<'_>, account: &str, (form, kind): (&str, &str), roles: &[&str]) -> Self {
        let mut text = std::fs::read_to_string(deployed(&format!("standalone/{form}/users.yaml"))).unwrap();
        for role in roles {
            text += &format!(
                "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: {account}-{role}}}\n\
                 roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: tagwright-{role}}}\n\
                 subjects: [{{kind: ServiceAccount, name: {account}}}]\n"
            );
        }
        world.space.cluster.apply(&Manifest::parse(&text).placed(&world.space.name)).await;
        // The API server takes a moment to know of a role.
        let client = world.space.client(account).await;
        for role in roles {
            let counts = || async { may(&client, &world.space.name, role).await.then_some(()) };
            eventually(&format!("the role {role} counts"), counts).await;
        }
        Self::new(world, &world.space.token(account).await)
    }

    /// Runs a command; a name of the namespace is written without it in what is said.
    pub(crate) async fn says(&self, arguments: &[&str]) -> Said {
        self.says_with(arguments, &[]).await
    }

    /// The same with more variables in the environment.
    async fn says_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagwright"));
        command.env_clear().env("HOME", "/nonexistent").args(arguments).arg("--kubernetes");
        // What a machine sets for its bot keeps nobody from looking at a cluster.
        command.env("TAGWRIGHT_DATA_DIR", "/nonexistent").envs(variables.iter().copied());
        command.arg("--kubeconfig").arg(self.kubeconfig.path());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&self.namespace, "NS");
        Said { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    #[track_caller]
    pub(crate) fn check(said: &Said, expect: (i32, &str, &str)) {
        assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), expect);
    }
}

/// Whether somebody has in a namespace what a role for people gives.
async fn may(client: &Client, namespace: &str, role: &str) -> bool {
    let verb = if role == "edit" { "patch" } else { "list" };
    let attributes = ResourceAttributes {
        verb: Some(verb.to_owned()),
        group: Some("image.toolkit.fluxcd.io".to_owned()),
        resource: Some("imagepolicies".to_owned()),
        namespace: Some(namespace.to_owned()),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let reviews = Api::<SelfSubjectAccessReview>::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await;
    answer.is_ok_and(|answer| answer.status.is_some_and(|status| status.allowed))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_obeys_what_people_with_the_shipped_roles_order() {
    let world = World::new(Cluster::shared()).await;
    world.apply().await;
    let _bot = world.bot("bot").await;
    world.release("1.1.0");
    world.committed("1.1.0").await;
    let person = Person::with_role(&world, "person", &["view", "edit"]).await;

    // Held: what is selected is not committed.
    let reason = "1.2 loses sessions";
    Person::check(&person.says(&["hold", "app", "--reason", reason]).await, (0, "policy NS:app held\n", ""));
    let name = format!("{}:app", person.namespace);
    Person::check(&person.says(&["hold", &name]).await, (0, "policy NS:app held already\n", ""));
    let policy = world.object("ImagePolicy", "app").await;
    assert_eq!(policy["metadata"]["annotations"]["tagwright.dev/hold"], reason);
    let status: Value = serde_json::from_str(&person.says(&["status", "-o", "json"]).await.stdout).unwrap();
    assert_eq!(status["policies"][0]["held"], format!("held by hand: {reason}"), "nothing is kept back yet");
    world.release("1.2.0");
    let is_held = |shop: &Value| condition(shop, "tagwright.dev/Held")["status"] == "True";
    world.until("ImageUpdateAutomation", "shop", "says what is held", is_held).await;
    let polled = person.says(&["poll", "app", "shop"]).await;
    assert_eq!((polled.code, polled.stderr.as_str()), (0, ""), "{polled:?}");
    assert!(polled.stdout.starts_with("policy NS:app: ") && polled.stdout.contains("1.2.0"), "{polled:?}");
    assert!(polled.stdout.lines().nth(1).is_some_and(|line| line.starts_with("automation NS/shop: ")), "{polled:?}");
    assert_eq!(world.commits(), 2, "nothing is committed that is held");
    let status: Value = serde_json::from_str(&person.says(&["status", "-o", "json"]).await.stdout).unwrap();
    assert_eq!((&status["policies"][0]["tag"], &status["policies"][0]["ready"]), (&json!("1.2.0"), &json!("True")));
    assert!(status["automations"][0]["held"].as_str().is_some_and(|held| held.contains(reason)), "{status}");
    let shown = person.says(&["status"]).await.stdout;
    assert!(shown.starts_with("NAME ") && shown.contains("\nHELD ") && shown.contains("loses"), "{shown}");

    // Released: it is, once, and the order is gone.
    Person::check(&person.says(&["release", "app"]).await, (0, "policy NS:app released\n", ""));
    world.committed("1.2.0").await;
    world
        .until("ImagePolicy", "app", "has no order any more", |app| {
            let annotations = &app["metadata"]["annotations"];
            annotations["tagwright.dev/hold"].is_null() && annotations["tagwright.dev/release"].is_null()
        })
        .await;
    let again = "policy NS:app was not held by hand; what was taken back until now may be written again\n";
    Person::check(&person.says(&["release", "app"]).await, (0, again, ""));

    // Hurried: what waits for its age is committed, by an order that stays on the object with its time and its reason.
    let waits = json!({"metadata": {"annotations": {"tagwright.dev/minimum-age": "72h"}}});
    world.patch("ImagePolicy", "app", waits).await;
    world.release("1.3.0");
    let waiting = |app: &Value| condition(app, "tagwright.dev/Held")["status"] == "True";
    world.until("ImagePolicy", "app", "waits for its age", waiting).await;
    let hurried = person.says(&["release", "app", "--now", "--reason", "fixes CVE-2026-1234"]).await;
    let expect = "policy NS:app hurried: what is there by now need not be known for longer\n";
    Person::check(&hurried, (0, expect, ""));
    world.committed("1.3.0").await;
    let policy = world.object("ImagePolicy", "app").await;
    let order = policy["metadata"]["annotations"]["tagwright.dev/release-now"].as_str().unwrap_or_default();
    assert!(order.ends_with("Z fixes CVE-2026-1234"), "{order}");

    let free =
        json!({"metadata": {"annotations": {"tagwright.dev/minimum-age": null, "tagwright.dev/release-now": null}}});
    world.patch("ImagePolicy", "app", free).await;

    // Suspended: nothing runs, and a pass that nobody would make is not waited for.
    let suspended = person.says(&["suspend", "shop", "--reason", "the cluster moves"]).await;
    Person::check(&suspended, (0, "automation NS/shop suspended\n", ""));
    Person::check(&person.says(&["suspend", "shop"]).await, (0, "automation NS/shop suspended already\n", ""));
    let refused = person.says(&["poll", "shop"]).await;
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.starts_with("error: automation NS/shop is suspended: the cluster moves\n"), "{refused:?}");
    world.release("1.4.0");
    let polled = person.says(&["poll", "app"]).await;
    assert!(polled.code == 0 && polled.stdout.contains("1.4.0"), "{polled:?}");
    assert_eq!(world.commits(), 4);
    Person::check(&person.says(&["resume", "--all"]).await, (0, "automation NS/shop resumed\n", ""));
    world.committed("1.4.0").await;
    Person::check(&person.says(&["resume", "shop"]).await, (0, "automation NS/shop was not suspended\n", ""));
    let shop = world.object("ImageUpdateAutomation", "shop").await;
    assert!(shop["metadata"]["annotations"]["tagwright.dev/suspended"].is_null(), "{shop}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_freezes_what_annotations_say_and_counts_as_flux_does() {
    let world = World::new(Cluster::shared()).await;
    world.apply().await;
    let person = Person::with_role(&world, "person", &["view", "edit"]).await;
    let frozen = person.says(&["freeze", "--until", "2999-01-01T00:00:00Z", "--reason", "the fair"]).await;
    Person::check(&frozen, (0, "automation NS/shop frozen until 2999-01-01T00:00:00Z\n", ""));
    let shop = world.object("ImageUpdateAutomation", "shop").await;
    assert_eq!(shop["metadata"]["annotations"]["tagwright.dev/freeze"], "the fair");
    let _bot = world.bot("bot").await;
    world.release("1.1.0");
    let is_held = |shop: &Value| condition(shop, "tagwright.dev/Held")["status"] == "True";
    let held = world.until("ImageUpdateAutomation", "shop", "says what is held", is_held).await;
    let message = condition(&held, "tagwright.dev/Held")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("frozen by hand since ") && message.contains("(the fair)"), "{message}");
    assert_eq!(world.commits(), 1);

    // The glass is broken for what is named; then the freeze is lifted.
    let broken = person.says(&["unfreeze", "shop", "--break-glass", "--reason", "CVE-2026-4242"]).await;
    assert!(broken.code == 0 && broken.stdout.starts_with("automation NS/shop written until "), "{broken:?}");
    world.committed("1.1.0").await;
    Person::check(&person.says(&["unfreeze"]).await, (0, "automation NS/shop no longer frozen by hand\n", ""));
    Person::check(&person.says(&["unfreeze"]).await, (0, "automation NS/shop was not frozen by hand\n", ""));
    let shop = world.object("ImageUpdateAutomation", "shop").await;
    assert!(shop["metadata"]["annotations"]["tagwright.dev/freeze"].is_null(), "{shop}");
    let socket = world.data("bot").join("tagwright.sock");
    let client = reqwest::Client::builder().no_proxy().unix_socket(socket).build().unwrap();
    let metrics = client.get("http://localhost/metrics").send().await.unwrap().text().await.unwrap();
    let namespace = &person.namespace;
    for (kind, name) in [("ImageRepository", "app"), ("ImagePolicy", "app"), ("ImageUpdateAutomation", "shop")] {
        let object = format!(
            "gotk_reconcile_duration_seconds_count{{kind=\"{kind}\",name=\"{name}\",namespace=\"{namespace}\"}} "
        );
        let passes =
            format!("controller_runtime_reconcile_total{{controller=\"{}\",result=\"success\"}} ", kind.to_lowercase());
        assert!(metrics.contains(&object) && metrics.contains(&passes), "{kind}: {metrics}");
    }
    let refused = person.says(&["freeze", "apps/*"]).await;
    assert!(refused.code == 2 && refused.stderr.contains("names no object of a cluster"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_may_not_do_is_said_with_the_right_and_the_role() {
    let world = World::new(Cluster::shared()).await;
    world.apply().await;
    let viewer = Person::with_role(&world, "viewer", &["view"]).await;
    let refused = viewer.says(&["hold", "app"]).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    for words in [
        "error: cannot patch imagepolicies in the namespace NS\n",
        "the right to patch imagepolicies.image.toolkit.fluxcd.io in the namespace NS is missing",
        "the ClusterRole tagwright-edit of deploy/kubernetes/standalone/cluster-wide/users.yaml",
    ] {
        assert!(refused.stderr.contains(words), "{words}: {refused:?}");
    }
    let refused = viewer.says(&["status", "-A"]).await;
    assert!(refused.code == 1 && refused.stderr.contains("list imagepolicies in all namespaces"), "{refused:?}");
    let stranger = Person::with_role(&world, "stranger", &[]).await;
    let refused = stranger.says(&["poll", "app"]).await;
    assert!(refused.code == 1 && refused.stderr.contains("tagwright-view"), "{refused:?}");
    let nobody = Person::new(&world, "no-token").says(&["status"]).await;
    assert!(nobody.code == 1 && nobody.stderr.contains("does not know who asks"), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_looked_up_before_anything_is_ordered() {
    let world = World::new(Cluster::shared()).await;
    world.apply().await;
    let person = Person::with_role(&world, "person", &["view", "edit"]).await;
    for (arguments, says) in [
        (&["hold", "app", "apo"][..], "did you mean NS:app?"),
        (&["hold", "shop"], "NS/shop is an automation: `tagwright suspend NS/shop --kubernetes`"),
        (&["resume", "app"], "NS:app is a policy: `tagwright release NS:app --kubernetes`"),
        (&["status", "ap"], "did you mean NS:app?"),
        (&["poll", "shap"], "did you mean NS/shop?"),
    ] {
        let refused = person.says(arguments).await;
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{arguments:?} {refused:?}");
        assert!(refused.stderr.contains(says), "{arguments:?}: {refused:?}");
    }
    let policy = world.object("ImagePolicy", "app").await;
    assert!(
        policy["metadata"]["annotations"]["tagwright.dev/hold"].is_null(),
        "one wrong name, and nothing is ordered"
    );

    // Nobody works on these objects.
    let asked = person.says(&["poll", "app", "--timeout", "1s"]).await;
    assert_eq!((asked.code, asked.stdout.as_str()), (1, ""));
    assert!(asked.stderr.starts_with("error: policy NS:app: no bot has answered within 1s"), "{asked:?}");
    let policy = world.object("ImagePolicy", "app").await;
    let requested = policy["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"].as_str().unwrap();
    assert!(requested.len() == "2026-11-27T04:00:00.000000000Z".len() && requested.ends_with('Z'), "{requested}");
    // No server there: said once, in our words.
    let mut gone = NamedTempFile::new().unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    gone.write_all(world.space.cluster.kubeconfig(&format!("https://{nobody}"), "token", "x").as_bytes()).unwrap();
    let unanswered = Person { kubeconfig: gone, namespace: "NS".to_owned() }.says(&["status"]).await;
    let says = format!("error: cannot ask the API server what it has\n  caused by: https://{nobody}/: ");
    assert!(unanswered.code == 1 && unanswered.stderr.starts_with(&says), "{unanswered:?}");
    // A proxy of the environment is for others than this machine.
    let proxied = person.says_with(&["status"], &[("HTTPS_PROXY", &format!("http://{nobody}"))]).await;
    assert_eq!(proxied.code, 0, "{proxied:?}");
    for arguments in [&["hold", "app", "--data-dir", "x"][..], &["status", "--url", "http://localhost"]] {
        let refused = person.says(arguments).await;
        assert!(refused.code == 2 && refused.stderr.contains("cannot be used with"), "{refused:?}");
    }
}
