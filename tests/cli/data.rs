//! The data directory of a bot that cannot be used, is deleted, or is in the way.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::bot::{Bot, until};
use crate::site::{SHOP, Site, native};

fn shop(tags: &[&str]) -> Site {
    let site = Site::new(tags, SHOP);
    site.configure("shop.yaml", &native("shop", "app", "branch: main", ""));
    site
}

#[test]
fn one_that_cannot_be_used_ends_the_start() {
    let site = shop(&["1.0.0"]);
    // Root may write anywhere, but nobody a folder below a file, or a file in the place of a folder.
    site.world.write("file", "");
    site.world.write("mirrors/mirrors", "");
    site.world.write("state/state.redb/folder", "");
    for folder in ["file", "file/below", "mirrors", "state"] {
        for more in [&["--data-dir", folder][..], &["--once", "--data-dir", folder]] {
            let run = site.world.run(["run", "--config", "config"].iter().chain(more));
            run.refuses(2, &format!("cannot use the data directory {folder}: "));
            assert!(run.stderr.contains("hint: name a folder that this user can write"), "{run:?}");
            assert_eq!(run.stderr.lines().count(), 2, "{run:?}");
            assert!(folder != "file" || run.stderr.contains("file: it is not a folder\n"), "{run:?}");
        }
    }
    assert_eq!(site.commits("main"), 1);
}

#[test]
fn a_dry_run_leaves_it_as_it_was() {
    let many: Vec<String> = (0..10).map(|minor| format!("1.{minor}.0")).collect();
    let site = shop(&many.iter().map(String::as_str).collect::<Vec<_>>());
    let dry = || site.run(&["--data-dir=data", "--dry-run"]).code;
    let data = site.world.path("data");
    assert_eq!((dry(), data.exists()), (3, false));
    // One that is there is left alone, too, but for the mirrors.
    fs::create_dir(&data).unwrap();
    let names = || fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!((dry(), names()), (3, vec!["mirrors".into()]));
    assert_eq!(site.run(&["--data-dir=data"]).code, 0);
    assert_eq!(site.file("main"), SHOP.replace("app:1.0.0", "app:1.9.0"));

    // A list that lost much is believed at the second poll, of which a dry run is none.
    site.registry.change(|world| *world.repositories.get_mut("team/app").unwrap() = vec!["1.20.0".to_owned()]);
    let state = fs::read(data.join("state.redb")).unwrap();
    for _ in 0..2 {
        assert_eq!(dry(), 0);
        assert!(fs::read(data.join("state.redb")).unwrap() == state, "the state has changed");
    }
    for commits in [2, 3] {
        assert_eq!(site.run(&["--data-dir=data"]).code, 0);
        assert_eq!(site.commits("main"), commits);
    }
}

/// What `/readyz` answers, asked by hand: there is no client here that blocks.
fn ready(address: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

#[test]
fn one_that_is_deleted_is_noticed_and_begun_anew() {
    let site = shop(&["1.0.0", "1.1.0"]);
    let mut bot = Bot::start(&site, &["--listen=127.0.0.1:0"]);
    let started = bot.says("started");
    let address = started.split_whitespace().find_map(|word| word.strip_prefix("listen=")).unwrap().to_owned();
    bot.says("1 policy polled");
    until("it is ready", || ready(&address).0 == 200);

    // Something else is in its place, so that it cannot be made again.
    let data = site.world.path("data");
    fs::rename(&data, site.world.path("moved")).unwrap();
    fs::write(&data, "").unwrap();
    bot.says("the data directory cannot be used");
    let (status, reason) = ready(&address);
    assert_eq!(status, 503);
    assert!(reason.contains("the data directory cannot be used: cannot use data/state.redb"), "{reason}");

    // What is released meanwhile is committed all the same.
    site.registry.change(|world| world.repositories.get_mut("team/app").unwrap().push("1.2.0".to_owned()));
    fs::remove_file(&data).unwrap();
    let deleted = bot.says("was deleted while it was in use");
    assert!(deleted.contains("Not known any more are when tags were first seen"), "{deleted}");
    // The socket comes back by itself, before or after that.
    until("it answers and is ready", || {
        let status = site.world.run(["status", "--data-dir=data", "--output=json"]);
        ready(&address).0 == 200 && status.code == 0 && status.json()["dataFailure"].is_null()
    });
    site.world.run(["poll", "--data-dir=data"]).prints(0, "everything is due now\n");
    bot.says("pushed a commit");
    assert_eq!(site.file("main"), SHOP.replace("app:1.0.0", "app:1.2.0"));
    // Nobody else may use what is new.
    site.world.run(["run", "--config=config", "--data-dir=data"]).refuses(2, "another tagwright");
    bot.signal("TERM");
    let (code, said) = bot.ends();
    assert_eq!((code, said.matches("ERROR").count()), (0, 1), "{said}");
    assert!(said.contains("the socket was deleted, and made anew"), "{said}");
    assert!(data.join("state.redb").exists() && !data.join("tagwright.sock").exists());
}
