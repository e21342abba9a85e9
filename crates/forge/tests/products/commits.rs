//! Commits that GitHub makes: what it is asked, and what it refuses.

use std::path::Path;
use std::process::Command;

use forge::{Error, File, NewCommit, Product};

use super::Asking;

fn git(folder: &Path, arguments: &[&str]) -> String {
    let identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"];
    let output = Command::new("git").current_dir(folder).args(identity).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository with a commit, and the tree that a change of it makes: one file changed, one gone, one that is no text.
fn repository(folder: &Path) -> [String; 3] {
    git(folder, &["init", "-q", "-b", "main"]);
    for (name, text) in [("app.yaml", "tag: 1"), ("gone.yaml", "tag: 1"), ("other.yaml", "tag: 1")] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    git(folder, &["add", "-A"]);
    git(folder, &["update-index", "--chmod=+x", "app.yaml"]);
    git(folder, &["commit", "-q", "-m", "First"]);
    let (parent, base) = (git(folder, &["rev-parse", "HEAD"]), git(folder, &["rev-parse", "HEAD^{tree}"]));
    std::fs::write(folder.join("app.yaml"), "tag: 2").unwrap();
    std::fs::write(folder.join("logo.bin"), [0xff, 0xfe]).unwrap();
    std::fs::remove_file(folder.join("gone.yaml")).unwrap();
    git(folder, &["add", "-A"]);
    git(folder, &["update-index", "--chmod=+x", "app.yaml"]);
    [parent, base, git(folder, &["write-tree"])]
}

const FILES: [File<'static>; 3] = [
    File { path: "app.yaml", mode: "100755", bytes: Some(b"tag: 2") },
    File { path: "gone.yaml", mode: "100644", bytes: None },
    File { path: "logo.bin", mode: "100644", bytes: Some(&[0xff, 0xfe]) },
];

#[tokio::test]
async fn github_makes_the_commit_that_is_wanted_and_signs_an_apps() {
    let asking = Asking::of(Product::GitHub).await;
    let folder = tempfile::tempdir().unwrap();
    let [parent, base_tree, tree] = repository(folder.path());
    asking.forge.world().git = Some(folder.path().join(".git"));
    let wanted = NewCommit {
        parent: &parent,
        base_tree: &base_tree,
        tree: &tree,
        message: "Update app\n\nMore.",
        files: &FILES,
    };
    for (is_app, unsigned) in [(true, None), (false, Some("unsigned"))] {
        asking.forge.world().is_app = is_app;
        let made = asking.client().make(wanted).await.unwrap();
        assert_eq!(made.unsigned.as_deref(), unsigned);
        let commit = git(folder.path(), &["cat-file", "commit", &made.id]);
        assert!(commit.starts_with(&format!("tree {tree}\nparent {parent}\nauthor tagwright-app[bot] <")), "{commit}");
        assert!(commit.ends_with("Update app\n\nMore.") && commit.contains("\ngpgsig ") == is_app, "{commit}");
    }
    let asked: Vec<String> = asking.forge.asked().into_iter().take(3).collect();
    insta::assert_snapshot!(asked.join("\n").replace(&parent, "PARENT"));
}

#[tokio::test]
async fn what_is_not_the_same_is_an_error() {
    let asking = Asking::of(Product::GitHub).await;
    let folder = tempfile::tempdir().unwrap();
    let [parent, base_tree, tree] = repository(folder.path());
    asking.forge.world().git = Some(folder.path().join(".git"));
    let wanted = NewCommit { parent: &parent, base_tree: &base_tree, tree: &tree, message: "Update", files: &FILES };
    let gone = [File { path: "never.yaml", mode: "100644", bytes: None }];
    let link = [File { path: "app.yaml", mode: "160000", bytes: Some(b"x") }];
    for (wrong, says) in [
        (NewCommit { tree: &base_tree, ..wanted }, "another tree than was sent"),
        (NewCommit { base_tree: &parent, ..wanted }, "not a valid tree"),
        (NewCommit { parent: &tree, ..wanted }, "Parent SHA does not exist"),
        (NewCommit { files: &gone, ..wanted }, "BadObjectState"),
        (NewCommit { files: &link, ..wanted }, "tree.mode"),
    ] {
        let error = asking.client().make(wrong).await.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[tokio::test]
async fn other_products_make_none() {
    for product in super::PRODUCTS.into_iter().filter(|product| *product != Product::GitHub) {
        let asking = Asking::of(product).await;
        let wanted = NewCommit { parent: "1", base_tree: "2", tree: "3", message: "Update", files: &[] };
        let error = asking.client().make(wanted).await.unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }) && asking.forge.asked().is_empty(), "{error}");
    }
}
