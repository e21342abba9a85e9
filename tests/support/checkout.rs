//! A folder of the fixtures as a checkout with a bare remote.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::remote::git;

/// Makes `checkout` and `config.git` in a folder, the first with everything in `files` committed.
pub(crate) fn make(files: &Path, folder: &Path) {
    let checkout = folder.join("checkout");
    for (path, bytes) in contents(files) {
        let path = checkout.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    git(&checkout, &["init", "--quiet", "--initial-branch=main"]);
    git(&checkout, &["add", "--all"]);
    git(&checkout, &["commit", "--quiet", "--message=Deploy the first version"]);
    git(folder, &["clone", "--quiet", "--bare", "checkout", "config.git"]);
}

/// Every file of a folder but git's own, by its path from there.
pub(crate) fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut folders, mut found) = (vec![folder.to_owned()], BTreeMap::new());
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() && !path.ends_with(".git") {
                folders.push(path);
            } else if path.is_file() {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}
