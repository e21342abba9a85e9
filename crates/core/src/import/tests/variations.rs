//! Configuration as people write it, in `fixtures/importers`: one file each, with the files of a checkout behind lines that begin with `###`,
//! and at last what is made of them.

use std::fs;
use std::path::Path;

use super::*;

const SAYS: &str = "### says\n";

/// All that was read: how it is committed, what is followed, where it is written, and what is left.
fn told(files: &[File]) -> String {
    let mut found =
        read(&Input::of(files, &|_| true, &|url| url.contains("/acme/config") || url.contains(":acme/config")));
    let mut text = String::new();
    for Automation { name, delivery, images, .. } in &found.automations {
        let Delivery { url, branch, push_branch, request, message, author, interval, schedule, windows, .. } = delivery;
        text.push_str(&format!("automation {name}\n"));
        let line = |key: &str, said: Option<String>| said.map(|said| format!("  {key} {said}\n")).unwrap_or_default();
        text.push_str(&line("url", url.clone()));
        text.push_str(&line("branch", branch.clone()));
        text.push_str(&line("push", push_branch.clone()));
        text.push_str(&line("request", request.as_ref().map(|it| format!("{it:?}"))));
        text.push_str(&line(
            "message",
            message.as_ref().map(|it| format!("{:?}", it.lines().next().unwrap_or_default())),
        ));
        text.push_str(&line("author", author.as_ref().map(|(name, email)| format!("{name} <{email}>"))));
        text.push_str(&line("interval", interval.clone()));
        text.push_str(&line("schedule", schedule.as_ref().map(|it| format!("{it:?}"))));
        text.push_str(&line("windows", (!windows.is_empty()).then(|| format!("{windows:?}"))));
        for image in images {
            text.push_str(&format!("  {} {}: {}\n", image.name, image.repository, document::clause(image)));
            let plain = Choice { digest: image.choice.digest, ..Choice::default() };
            text.push_str(&line("  only", (image.choice != plain).then(|| format!("{:?}", image.choice))));
            for place in &image.places {
                text.push_str(&format!("    at {} {:?}\n", place.path, place.form));
            }
        }
    }
    // What sets nothing is told, too.
    settle(files, &mut found, "default", Dialect::Native, Fields::Markers);
    let mut left: Vec<&Left> = found.left.iter().collect();
    left.sort();
    for Left { spot, what, why, .. } in left {
        text.push_str(&format!("left {}:{} {what}: {why}\n", spot.file, spot.line));
    }
    text
}

#[test]
fn what_people_write_is_followed_or_said() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/importers");
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 25);
    for path in cases {
        let case = fs::read_to_string(&path).unwrap();
        let (files, says) = case.split_once(SAYS).unwrap_or((&case, ""));
        let files: Vec<File> =
            files.split("### ").filter_map(|part| part.split_once('\n')).map(|(path, text)| file(path, text)).collect();
        let told = told(&files);
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            fs::write(
                &path,
                format!("{}{SAYS}{told}", case.split_once(SAYS).map_or(case.as_str(), |(files, _)| files)),
            )
            .unwrap();
        } else {
            assert_eq!(told, says, "{}", path.display());
        }
    }
}
