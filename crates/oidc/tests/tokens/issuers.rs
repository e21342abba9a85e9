//! Issuers over the network: keys that change, and issuers that do not answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use oidc::{Issuer, Refused, Unusable};
use serde_json::{Value, json};

use crate::simulated::{LONG, Mood, Signer, Simulated};

const NOW: i64 = 1_800_000_000;

fn claims(issuer: &Simulated) -> Value {
    json!({"iss": issuer.url, "aud": "bot", "sub": "u1", "exp": NOW + 300})
}

fn known(simulated: &Simulated) -> Issuer {
    Issuer::new(&simulated.url, Vec::new()).unwrap()
}

#[tokio::test]
async fn keys_are_discovered_and_kept() {
    let (key, stranger) = (Signer::rsa("one"), Signer::rsa("two"));
    let simulated = Simulated::start(&[&key]).await;
    let issuer = known(&simulated);
    for _ in 0..3 {
        let said = issuer.check(&key.token(&claims(&simulated)), "bot", NOW).await.unwrap();
        assert_eq!((said.text("sub"), said.end()), (Some("u1"), Some(NOW + 300)));
    }
    assert_eq!(simulated.asked(), 1);
    // Whoever shows tokens of keys that nobody knows has nobody ask again at once.
    for _ in 0..3 {
        let shown = stranger.token(&claims(&simulated));
        assert_eq!(issuer.check(&shown, "bot", NOW).await, Err(Refused::Key));
    }
    assert_eq!(simulated.asked(), 1);
    let other = json!({"iss": "https://accounts.example.com", "aud": "bot", "exp": NOW + 300});
    assert_eq!(issuer.check(&key.token(&other), "bot", NOW).await, Err(Refused::Issuer));
}

#[tokio::test]
async fn new_keys_are_found_and_old_ones_forgotten() {
    let (old, new) = (Signer::p256("old"), Signer::p256("new"));
    let simulated = Simulated::start(&[&old]).await;
    let (issuer, begin) = (known(&simulated), Instant::now());
    let (first, second) = (old.token(&claims(&simulated)), new.token(&claims(&simulated)));
    let at = |seconds: u64| begin + Duration::from_secs(seconds);
    assert!(issuer.keys_for(&first, at(0)).await.know(&first));
    simulated.show(&[&new]);
    assert!(!issuer.keys_for(&second, at(29)).await.know(&second), "asked half a minute ago");
    let keys = issuer.keys_for(&second, at(30)).await;
    assert!(keys.know(&second) && !keys.know(&first), "the old one was withdrawn");
    assert_eq!(simulated.asked(), 2);
    // Whether or not anybody comes with another, they are asked for again.
    simulated.show(&[&old]);
    assert!(issuer.keys_for(&second, at(30 + 3599)).await.know(&second));
    assert!(!issuer.keys_for(&second, at(30 + 3600)).await.know(&second));
    assert_eq!(simulated.asked(), 3);
}

#[tokio::test]
async fn keys_of_an_issuer_that_is_down_are_used_for_a_day() {
    let key = Signer::p256("one");
    let simulated = Simulated::start(&[&key]).await;
    let (issuer, begin) = (known(&simulated), Instant::now());
    let token = key.token(&claims(&simulated));
    let hours = |hours: u64| begin + Duration::from_secs(hours * 3600);
    assert!(issuer.keys_for(&token, begin).await.know(&token));
    for mood in [Mood::Fails, Mood::Huge, Mood::Other, Mood::Unsafe] {
        simulated.answer(mood);
        assert!(issuer.keys_for(&token, hours(2)).await.know(&token), "{mood:?}");
    }
    simulated.answer(Mood::Fails);
    assert!(issuer.keys_for(&token, hours(23)).await.know(&token));
    assert!(issuer.keys_for(&token, hours(24)).await.is_empty(), "a key that was withdrawn would be used for ever");
    simulated.answer(Mood::Well);
    assert!(issuer.keys_for(&token, hours(25)).await.know(&token));
}

#[tokio::test]
async fn an_issuer_that_cannot_be_asked_lets_nobody_in() {
    let key = Signer::p256("one");
    for mood in [Mood::Fails, Mood::Huge, Mood::Other, Mood::Unsafe] {
        let simulated = Simulated::start(&[&key]).await;
        simulated.answer(mood);
        let shown = key.token(&claims(&simulated));
        assert_eq!(known(&simulated).check(&shown, "bot", NOW).await, Err(Refused::Unreachable), "{mood:?}");
    }
}

#[tokio::test]
async fn one_waits_for_an_issuer_that_hangs_and_the_others_with_it() {
    let key = Signer::p256("one");
    let simulated = Simulated::start(&[&key]).await;
    simulated.answer(Mood::Hangs);
    let (issuer, shown) = (Arc::new(known(&simulated)), key.token(&claims(&simulated)));
    let all = (0..20).map(|_| {
        let (issuer, shown) = (Arc::clone(&issuer), shown.clone());
        tokio::spawn(async move { issuer.check(&shown, "bot", NOW).await })
    });
    for one in all.collect::<Vec<_>>() {
        let refused = tokio::time::timeout(LONG, one).await.unwrap().unwrap();
        assert_eq!(refused, Err(Refused::Unreachable));
    }
    assert_eq!(simulated.asked(), 1);
}

/// The first to come have it asked, and all get the answer; so they do where those who had it asked have gone.
#[tokio::test]
async fn those_who_come_meanwhile_get_the_same_answer() {
    let (key, stranger) = (Signer::p256("one"), Signer::p256("two"));
    let simulated = Simulated::start(&[&key]).await;
    simulated.answer(Mood::Waits);
    let issuer = Arc::new(known(&simulated));
    let come = |signer: &Signer| {
        let (issuer, shown) = (Arc::clone(&issuer), signer.token(&claims(&simulated)));
        tokio::spawn(async move { issuer.check(&shown, "bot", NOW).await.map(drop) })
    };
    let gone = come(&stranger);
    simulated.asked_for(1).await;
    gone.abort();
    let all: Vec<_> = (0..5).map(|_| come(&key)).collect();
    tokio::time::sleep(Duration::from_millis(10)).await;
    simulated.let_go();
    for one in all {
        assert_eq!(tokio::time::timeout(LONG, one).await.unwrap().unwrap(), Ok(()));
    }
    assert_eq!(simulated.asked(), 2, "where the keys are, and the keys");
}

#[tokio::test]
async fn who_has_a_known_key_does_not_wait_for_one_that_hangs() {
    let (key, stranger) = (Signer::p256("one"), Signer::p256("two"));
    let simulated = Simulated::start(&[&key]).await;
    let issuer = Arc::new(known(&simulated));
    let (shown, begin) = (key.token(&claims(&simulated)), Instant::now());
    assert!(issuer.keys_for(&shown, begin).await.know(&shown));
    simulated.answer(Mood::Hangs);
    let later = begin + Duration::from_secs(7200);
    let strange = stranger.token(&claims(&simulated));
    let asking = {
        let issuer = Arc::clone(&issuer);
        tokio::spawn(async move { issuer.keys_for(&strange, later).await })
    };
    simulated.asked_for(2).await;
    assert!(issuer.keys_for(&shown, later).await.know(&shown));
    assert!(!asking.is_finished(), "it was not waited for");
    asking.abort();
}

#[test]
fn an_issuer_is_where_nobody_can_listen_in() {
    for url in [
        "",
        "issuer.example.com",
        "http://issuer.example.com",
        "ftp://issuer.example.com",
        "https://u:p@issuer.example.com",
        "https://issuer.example.com?x=1",
        "https://issuer.example.com#x",
    ] {
        assert_eq!(Issuer::new(url, Vec::new()).unwrap_err(), Unusable::Address, "{url}");
    }
    for url in ["https://issuer.example.com", "https://issuer.example.com/realms/a", "http://localhost:8080/"] {
        assert_eq!(Issuer::new(url, Vec::new()).unwrap().name(), url);
    }
    assert!(matches!(Issuer::new("https://issuer.example.com", vec!["no PEM".to_owned()]), Err(Unusable::Trust(_))));
}
