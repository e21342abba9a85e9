//! Importing: whatever the files of other updaters hold, reading ends, only comments are written, and twice is once. The first line is
//! the name of the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tagwright_core::import::{self, Fields, Input, document};
use tagwright_core::inventory;
use tagwright_core::mark::File;
use tagwright_core::mark::policies::Dialect;
use yaml_rust2::YamlLoader;

fuzz_target!(|text: &str| {
    let (path, text) = text.split_once('\n').unwrap_or(("fleet.yaml", text));
    let files = [File { path: path.to_owned(), bytes: text.into(), inventory: inventory::find(text.as_bytes()) }];
    let input = Input::of(&files, &|_| true, &|_| true);
    for (dialect, fields) in
        [(Dialect::Native, Fields::Markers), (Dialect::Native, Fields::Targets), (Dialect::Flux, Fields::Markers)]
    {
        let mut found = import::read(&input);
        assert!(found.left.is_sorted());
        let settled = import::settle(&files, &mut found, "default", dialect, fields);
        for edit in &settled.edits {
            assert_eq!(
                YamlLoader::load_from_str(text).ok(),
                std::str::from_utf8(&edit.new).ok().and_then(|new| YamlLoader::load_from_str(new).ok())
            );
        }
        let target = document::Target {
            namespace: "default".to_owned(),
            url: Some("https://git.example.com/acme/config.git".to_owned()),
            branch: None,
            asked: vec![String::new()],
            requests: |_, request| (Some(request), Vec::new()),
        };
        if let Ok((written, _)) = document::document(dialect, &found, &target) {
            assert!(YamlLoader::load_from_str(&written).is_ok(), "{written}");
        }
    }
});
