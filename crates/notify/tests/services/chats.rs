//! Slack, Microsoft Teams and Discord.

use std::sync::Arc;
use std::time::Duration;

use gotext::template::Template;
use notify::{Account, Chat, Kind, Notification, Service};
use serde_json::json;

use crate::service::{Answer, SECRET, Simulated, World, event, fails, notification, pushed, say, target, webhook};

#[tokio::test]
async fn slack_gets_a_message_a_second() {
    let slack = Simulated::start().await;
    slack.pace(Duration::from_secs(1));
    let world = World::telling([target(Service::Slack(Chat { username: "bot".to_owned(), ..webhook(&slack) }))]);
    for number in 0..3 {
        world.voice.tell(event(Kind::Held, &format!("<!channel> {number}")));
        slack.taken(number + 1).await;
    }
    assert_eq!(world.end().await, [("slack", "sent"); 3]);
    assert_eq!(slack.early(), 0);
    let seen = slack.taken(3).await;
    assert_eq!(
        seen[0].json(),
        json!({"text": "🔵 &lt;!channel&gt; 0", "unfurl_links": false, "unfurl_media": false, "username": "bot"})
    );
    assert!(seen[0].path.ends_with(SECRET) && seen[0].header("authorization").is_empty());
}

#[tokio::test]
async fn slack_by_its_interface() {
    let slack = Simulated::start().await;
    slack.next([
        say(200, r#"{"ok":false,"error":"ratelimited"}"#),
        say(200, r#"{"ok":true}"#),
        say(200, &format!(r#"{{"ok":false,"error":"invalid_auth {SECRET}"}}"#)),
    ]);
    let api = format!("{}/api/chat.postMessage", slack.url).parse().unwrap();
    let account = Account::Token(api, SECRET.to_owned().into());
    let world = World::telling([target(Service::Slack(Chat {
        account,
        channel: "deploys".to_owned(),
        username: String::new(),
    }))]);
    world.voice.tell(event(Kind::Held, "one"));
    let seen = slack.taken(2).await;
    world.voice.tell(event(Kind::Held, "two"));
    assert_eq!(world.end().await, [("slack", "failed"), ("slack", "sent")]);
    assert_eq!((seen[0].json()["channel"].as_str(), slack.count()), (Some("deploys"), 3));
    assert_eq!(seen[0].header("authorization"), format!("Bearer {SECRET}"));
    assert_eq!(seen[0].body, seen[1].body, "what was refused is sent again");
}

#[tokio::test]
async fn teams_gets_cards_that_are_not_too_large() {
    let teams = Simulated::start().await;
    // As its older webhooks say it.
    let too_many = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429";
    teams.next([say(200, too_many), say(202, "")]).usual(say(202, ""));
    let world = World::telling([target(Service::Teams(webhook(&teams)))]);
    world.voice.tell(fails("ghcr.io", Some("ghcr.io"), Kind::Failing));
    let seen = teams.taken(2).await;
    let card = &seen[1].json()["attachments"][0];
    assert_eq!(card["contentType"], "application/vnd.microsoft.card.adaptive");
    assert_eq!(card["content"]["body"][0]["text"], "🔴 ghcr.io failing");
    for _ in 0..100 {
        world.voice.tell(event(Kind::Held, &"ä".repeat(900)));
    }
    world.end().await;
    let bodies = teams.taken(3).await;
    assert!(bodies.iter().all(|seen| seen.body.len() <= 28_000), "{:?}", bodies.iter().map(|it| it.body.len()).max());
}

#[tokio::test]
async fn discord_says_how_fast() {
    let discord = Simulated::start().await;
    let spent = vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset-after", "0.3".to_owned())];
    discord.pace(Duration::from_millis(300)).usual(Answer::Say(204, spent, String::new()));
    let world = World::telling([target(Service::Discord(webhook(&discord)))]);
    for number in 0..3 {
        world.voice.tell(pushed("https://git.example.com/acme/config"));
        discord.taken(number + 1).await;
    }
    world.voice.tell(event(Kind::Held, &"@everyone ".repeat(900)));
    assert_eq!(world.end().await, [("discord", "sent"); 4]);
    assert_eq!(discord.early(), 0);
    let seen = discord.taken(4).await;
    let bodies: Vec<_> = seen.iter().map(crate::service::Seen::json).collect();
    assert_eq!(bodies[0]["allowed_mentions"], json!({"parse": []}));
    assert_eq!(
        bodies[0]["content"],
        "🔵 default/shop: pushed c0ffeec to main\n    app.yaml:7: ghcr.io/acme/app:1.0.0 -\\> ghcr.io/acme/app:1.1.0 \\(default:app\\)"
    );
    let lengths: Vec<usize> = bodies.iter().map(|it| it["content"].as_str().unwrap().encode_utf16().count()).collect();
    assert!(lengths.iter().all(|length| *length <= 2000), "{lengths:?}");
    assert!(!bodies[3]["content"].as_str().unwrap().contains("@everyone"));
}

#[tokio::test]
async fn words_of_ones_own_mention_whom_they_want() {
    let discord = Simulated::start().await;
    let text =
        "<@&42> {{ .Summary }}{{ range .Events }} {{ .Message }}{{ range .Changes }} {{ .New }}{{ end }}{{ end }}";
    let notification = Notification {
        template: Some(Template::parse("template", text).unwrap()),
        summary: "prod".to_owned(),
        ..notification("words", target(Service::Discord(webhook(&discord))))
    };
    let world = World::of(vec![Arc::new(notification)]);
    world.voice.tell(pushed("https://git.example.com/acme/config"));
    world.end().await;
    let body = discord.taken(1).await[0].json();
    assert_eq!(body["content"], "<@&42> prod default/shop: pushed c0ffeec to main ghcr.io/acme/app:1.1.0");
    assert_eq!(body["allowed_mentions"], json!({"parse": ["users", "roles", "everyone"]}));
}
