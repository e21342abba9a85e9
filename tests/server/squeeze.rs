//! What is compressed, for whom, and what is not.

use std::io::Read as _;

use flate2::read::GzDecoder;
use sha2::{Digest as _, Sha256};

use crate::world::World;

/// What came: the coding that the answer names, and its bytes as they were sent.
async fn raw(request: reqwest::RequestBuilder) -> (u16, Option<String>, Vec<u8>) {
    let response = request.send().await.unwrap();
    let coding = response.headers().get("content-encoding").map(|coding| coding.to_str().unwrap().to_owned());
    (response.status().as_u16(), coding, response.bytes().await.unwrap().to_vec())
}

fn unpacked(bytes: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

/// A client that unpacks nothing by itself.
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().no_gzip().build().unwrap()
}

#[tokio::test]
async fn long_answers_are_compressed_for_who_wants_it() {
    let world = World::start().await;
    // Something for the history to tell.
    for number in 0..40 {
        let path = if number % 2 == 0 { "hold" } else { "release" };
        world.order(&format!("/api/v1/policies/default/web/{path}"), r#"{"reason": "once more"}"#).await;
    }
    for path in ["/", "/history", "/style.css", "/metrics", "/api/v1/history", "/api/v1/openapi.json"] {
        let address = format!("{}{path}", world.tcp);
        let (code, coding, plain) = raw(client().get(&address)).await;
        assert_eq!((code, coding), (200, None), "{path}");
        let (code, coding, packed) = raw(client().get(&address).header("accept-encoding", "br, gzip;q=0.5")).await;
        assert_eq!((code, coding.as_deref()), (200, Some("gzip")), "{path}");
        assert!(packed.len() * 2 < plain.len(), "{path}: {} of {}", packed.len(), plain.len());
        let text = unpacked(&packed);
        assert!(text.len().abs_diff(plain.len()) < 200, "{path}: {} and {}", text.len(), plain.len());
        let head = raw(client().head(&address).header("accept-encoding", "gzip")).await;
        assert_eq!((head.0, head.2.len()), (200, 0), "{path}");
        for refusal in ["identity", "gzip;q=0", "br"] {
            assert_eq!(
                raw(client().get(&address).header("accept-encoding", refusal)).await.1,
                None,
                "{path} {refusal}"
            );
        }
    }
    for short in ["/livez", "/api/v1/freezes"] {
        let request = client().get(format!("{}{short}", world.tcp)).header("accept-encoding", "gzip");
        assert_eq!(raw(request).await.1, None, "{short}");
    }
    let events = client().get(format!("{}/api/v1/events", world.tcp)).header("accept-encoding", "gzip");
    let events = events.send().await.unwrap();
    assert!(events.status() == 200 && !events.headers().contains_key("content-encoding"));
    let (socket, base) = world.private();
    let answer =
        socket.get(format!("{base}/api/v1/openapi.json")).header("accept-encoding", "gzip").send().await.unwrap();
    assert!(!answer.headers().contains_key("content-encoding"), "it costs more than it spares on one machine");
}

#[tokio::test]
async fn nothing_is_compressed_beside_a_secret() {
    let hash: String = Sha256::digest("acts").iter().map(|byte| format!("{byte:02x}")).collect();
    let world = World::with_tokens(&format!("ann act {hash}\n")).await;
    let asked = |path: &str| client().get(format!("{}{path}", world.tcp)).header("accept-encoding", "gzip");
    // Somebody who is not logged in, and has sent what the page repeats.
    let (code, coding, page) =
        raw(asked(&format!("/policies?q={}", "x".repeat(2000))).header("accept", "text/html")).await;
    assert_eq!((code, coding), (401, None));
    assert!(page.len() > 1400, "{}", page.len());
    assert_eq!(raw(asked("/login")).await.1, None);
    let (code, coding, form) = raw(asked("/do/hold?of=default:web").bearer_auth("acts")).await;
    assert_eq!((code, coding), (200, None));
    assert!(String::from_utf8_lossy(&form).contains("name=\"form\"") && form.len() > 1400, "{}", form.len());
    assert_eq!(raw(asked("/policies/default/web").bearer_auth("acts")).await.1.as_deref(), Some("gzip"));
}
