//! What the tests start ends with them. Alone in its process, whose children it counts.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

#[path = "support/git.rs"]
mod support;

use support::{Behaviour, Remote, Server};

/// How often a condition is looked at, every ten milliseconds, before the test fails.
const LOOKS: usize = 2_000;

/// The programs that run below this process.
fn children() -> Vec<String> {
    let own = std::process::id();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((name, rest)) = stat.rsplit_once(") ") else { continue };
        let mut words = rest.split(' ');
        let (state, parent) = (words.next(), words.next());
        if state != Some("Z") && parent == Some(own.to_string().as_str()) {
            found.push(name.split_once('(').unwrap().1.to_owned());
        }
    }
    found
}

async fn until(what: &str, is_so: impl Fn(&[String]) -> bool) {
    for _ in 0..LOOKS {
        if is_so(&children()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: {:?}", children());
}

/// `git http-backend` waits for the rest of a request that was given up for ever, and at full speed. So does one that a parent of
/// its own has started and that is not killed with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_given_up_leaves_no_program() {
    let remote = Remote::with(&[("a", "1")]);
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    for closes_the_server in [false, true] {
        let mut push = TcpStream::connect(server.address()).unwrap();
        let head = "POST /repo.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\
                    Content-Type: application/x-git-receive-pack-request\r\n\r\n00";
        push.write_all(head.as_bytes()).unwrap();
        until("a program answers", |running| running.iter().any(|name| name.starts_with("git-http-backen"))).await;
        if !closes_the_server {
            drop(push);
            until("nothing runs", <[String]>::is_empty).await;
            continue;
        }
        drop(server);
        drop(push);
        until("nothing runs", <[String]>::is_empty).await;
        return;
    }
}
