//! The way to an API server by the proxy of the environment.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::world::World;

#[test]
fn an_api_server_is_reached_by_the_proxy_of_the_environment() {
    let world = World::new();
    let kubeconfig = "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
        clusters: [{name: c, cluster: {server: 'https://api.example.com:6443'}}]\n\
        users: [{name: u, user: {token: secret}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n";
    world.write("kubeconfig", kubeconfig);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://me:hunter2@{}", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").unwrap();
        String::from_utf8(head).unwrap()
    });
    let mut command = world.tagwright(["status", "--kubernetes", "--kubeconfig", "kubeconfig"]);
    let run = world.finish(command.env("HTTPS_PROXY", proxy), b"");
    let asked = asked.join().unwrap();
    assert!(asked.starts_with("CONNECT api.example.com:6443 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.to_lowercase().contains("proxy-authorization: basic bwu6ahvudgvymg=="), "{asked}");
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("https://api.example.com:6443/: "), "{run:?}");
    assert!(!run.stderr.contains("hunter2"), "{run:?}");
}
