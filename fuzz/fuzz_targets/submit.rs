//! Submitting: what is read of any text becomes files below the folder that mean the same, and the second time nothing changes. The first
//! line is the layout, the rest is what is submitted.
#![no_main]

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use tagwright_core::submit::{
    self, DEFAULT_LAYOUT, Found, GitSync, Input, Layout, Planned, Resource, Secrets, Submission, There, documents,
};
use yaml_rust2::YamlLoader;

static SYNC: LazyLock<Option<Arc<GitSync>>> = LazyLock::new(|| {
    let text = "apiVersion: tagwright.dev/v1alpha1\nkind: GitSync\nmetadata: {name: rendered}\nspec: {url: https://git.example.com/acme/config.git, \
                branch: main, path: clusters/prod, prune: true}\n";
    tagwright::config::parse("sync.yaml", text).ok().and_then(|it| it.syncs.first().cloned())
});

/// Plans a submission on files.
fn planned(sync: &GitSync, submission: &Submission, files: &HashMap<String, Vec<u8>>) -> Option<Planned> {
    let found = |path: &str| files.get(path).map_or(Found::Nothing, |bytes| Found::File(bytes.clone()));
    let list = found(&sync.index());
    let index = sync.list(&list).expect("it is ours");
    let paths = sync.paths(submission, &index).ok()?;
    let files = paths.looked_at.iter().map(|path| (path.clone(), found(path))).collect();
    submit::plan(sync, submission, &paths, &There { list, others: Vec::new(), files }).ok()
}

/// The only resource of a text.
fn resource(text: &str) -> Resource {
    let read = Submission::read(&[Input { name: "written", text }], Secrets::Plain).expect("what is written is read");
    let [resource] = &read.resources[..] else { panic!("{} resources in {text}", read.resources.len()) };
    resource.clone()
}

fuzz_target!(|text: &str| {
    let (layout, text) = text.split_once('\n').unwrap_or((DEFAULT_LAYOUT, text));
    let Some(sync) = SYNC.as_ref() else { return };
    let layout = Layout::parse(layout).or_else(|_| Layout::parse(DEFAULT_LAYOUT)).expect("the default is one");
    let sync = GitSync { layout, ..GitSync::clone(sync) };
    let Ok(submission) = Submission::read(&[Input { name: "input", text }], Secrets::Plain) else { return };
    let Some(first) = planned(&sync, &submission, &HashMap::new()) else { return };
    assert_eq!(first.created.len(), submission.resources.len());
    assert!(first.updated.is_empty() && first.removed.is_empty() && first.deleted.is_empty());

    let mut files = HashMap::new();
    for edit in &first.edits {
        let below = edit.path.strip_prefix("clusters/prod/").expect("it is below the folder");
        assert!(
            below.split('/').all(|part| !part.is_empty() && !submit::is_gits_own(part) && part != ".." && part != ".")
        );
        assert!(files.insert(edit.path.clone(), edit.new.clone()).is_none(), "{} is written twice", edit.path);
    }
    for change in &first.created {
        let written = std::str::from_utf8(&files[&change.path]).expect("it is text");
        let read = resource(written);
        let meant =
            submission.resources.iter().find(|it| Some(&it.id) == change.resource.as_ref()).expect("it is there");
        assert!(read.id == meant.id && read.node.means(&meant.node), "{written}");
        assert_eq!(documents(written).map(|all| all.len()).ok(), Some(1), "{written}");
        assert!(YamlLoader::load_from_str(written).is_ok_and(|all| all.len() == 1), "{written}");
    }

    let second = planned(&sync, &submission, &files).expect("it is planned again");
    assert!(second.edits.is_empty() && second.unchanged == submission.resources.len(), "{:?}", second.edits);
    let nothing = planned(&sync, &Submission::default(), &files).expect("all of it can go");
    assert_eq!(nothing.removed.len(), submission.resources.len());
});
