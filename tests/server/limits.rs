//! What clients may not do for long, or at all.

use std::time::Duration;

use tagwright::server::SOCKET;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::world::World;

/// How long anything may take before a test fails.
const LIMIT: Duration = Duration::from_secs(60);

async fn connect(world: &World) -> UnixStream {
    UnixStream::connect(world.folder.path().join(SOCKET)).await.unwrap()
}

/// All that is answered until the connection is closed.
async fn rest(mut stream: UnixStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is reset is as good as one that is closed.
    let _ = tokio::time::timeout(LIMIT, stream.read_to_end(&mut bytes)).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn bodies_and_heads_have_a_longest_length() {
    let world = World::start().await;
    let (code, answer) = world.order("/api/v1/policies/default/web/hold", &"x".repeat(65 * 1024)).await;
    assert!(code == 413 && answer["error"].is_string(), "{code}: {answer}");
    let mut stream = connect(&world).await;
    let head = format!("GET /livez HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(64 * 1024));
    let _ = stream.write_all(head.as_bytes()).await;
    assert!(rest(stream).await.starts_with("HTTP/1.1 431"));
    assert_eq!(world.ask("/livez").await.0, 200);
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let world = World::start().await;
    let mut stream = connect(&world).await;
    stream.write_all(b"\x16\x03\x01 hello?\r\n\r\n").await.unwrap();
    assert!(rest(stream).await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn connections_beyond_the_most_wait() {
    let world = World::start().await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(connect(&world).await);
    }
    assert_eq!(tokio::time::timeout(LIMIT, world.ask("/livez")).await.unwrap().0, 200);
}

/// Whoever opens connections and asks for nothing, again and again, keeps nobody from an answer: the oldest have to go. The time
/// that a head may take would be too long for the probe of a cluster.
#[tokio::test]
async fn half_open_connections_starve_nobody() {
    let world = World::start().await;
    let mut held = Vec::new();
    for round in 0..4 {
        for _ in 0..150 {
            let mut stream = connect(&world).await;
            stream.write_all(b"GET /livez HTTP/1.1\r\nX: ").await.unwrap();
            held.push(stream);
        }
        let asked = tokio::time::timeout(Duration::from_secs(3), world.ask("/livez")).await;
        assert_eq!(asked.map(|(code, _)| code), Ok(200), "{round}");
    }
    // The newest are still there, and may ask.
    let mut last = held.pop().unwrap();
    last.write_all(b"y\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(rest(last).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_request_under_way_is_answered_at_the_end() {
    let mut world = World::start().await;
    let mut stream = connect(&world).await;
    stream
        .write_all(b"POST /api/v1/policies/default/web/hold HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{")
        .await
        .unwrap();
    // The answer to another request says that the server has seen this one.
    assert_eq!(world.ask("/livez").await.0, 200);
    let (ended, answered) = tokio::join!(world.stop(), async {
        stream.write_all(b"}").await.unwrap();
        rest(stream).await
    });
    let () = ended;
    assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");
}
