//! Mirrors that are damaged, shared or filled beyond the limit.

use std::path::Path;
use std::time::Duration;

use git::{Error, Git, Kind, Want};

use crate::support::{Remote, anyone, git_with, machine, settings};
use crate::{CRITERIA, fetch, paths, search, small, support};

#[tokio::test]
async fn a_damaged_mirror_is_built_anew() {
    let remote = small();
    let (git, _data) = machine(&[]);
    let folder = git.open(&remote.path(), &anyone()).unwrap().folder().to_owned();
    let packs = |folder: &Path| -> Vec<_> {
        let packs = std::fs::read_dir(folder.join("objects/pack")).unwrap();
        packs
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "pack"))
            .collect()
    };
    let damages: [(&str, &dyn Fn()); 5] = [
        ("no HEAD", &|| std::fs::remove_file(folder.join("HEAD")).unwrap()),
        ("no packs", &|| packs(&folder).iter().for_each(|pack| std::fs::remove_file(pack).unwrap())),
        ("an empty pack", &|| packs(&folder).iter().for_each(|pack| overwrite(pack, b""))),
        ("a file instead of the folder", &|| {
            std::fs::remove_dir_all(&folder).unwrap();
            std::fs::write(&folder, "x").unwrap();
        }),
        ("leftovers of a killed process", &|| {
            std::fs::write(folder.join("objects/pack/pack_git2_12345"), "half").unwrap();
            std::fs::write(folder.join("objects/pack/pack-1234.pack"), "PACK").unwrap();
            std::fs::write(folder.join("tagwright-clean"), "twclean1").unwrap();
        }),
    ];
    for (what, damage) in damages {
        for _ in 0..2 {
            let mirror = git.open(&remote.path(), &anyone()).unwrap();
            let snapshot = fetch(&mirror, Want::DefaultBranch).await;
            let snapshot =
                snapshot.unwrap_or_else(|error| panic!("{what}: {error}: {:?}", std::error::Error::source(&error)));
            assert_eq!(paths(&search(&snapshot, &[]).await), ["apps/one.yaml"], "{what}");
            drop((snapshot, mirror));
            damage();
        }
        let mirror = git.open(&remote.path(), &anyone()).unwrap();
        fetch(&mirror, Want::DefaultBranch).await.unwrap();
    }
    assert_eq!(std::fs::read_dir(folder.join("objects/pack")).unwrap().count(), 2);
}

fn overwrite(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Damage that shows only while reading: the run fails, and the next one starts from a new mirror.
#[tokio::test]
async fn a_missing_object_condemns_the_mirror() {
    let remote = small();
    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let snapshot = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let folder = mirror.folder().to_owned();
    drop((snapshot, mirror));
    // All objects but one file's.
    let lost = remote.at("main:apps/two.yaml");
    let all = support::git(&folder, &["rev-list", "--objects", "--no-object-names", "main"]);
    let kept: String = all.lines().filter(|id| *id != lost).map(|id| format!("{id}\n")).collect();
    let pack = git_with(&folder, &["pack-objects", "objects/pack/pack"], kept.as_bytes());
    for entry in std::fs::read_dir(folder.join("objects/pack")).unwrap() {
        let path = entry.unwrap().path();
        if !path.to_str().unwrap().contains(pack.trim()) {
            std::fs::remove_file(path).unwrap();
        }
    }
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let snapshot = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let error = snapshot.search(&[], CRITERIA).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Transient, "{error}");
    drop((snapshot, mirror));
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    assert_eq!(paths(&search(&fetch(&mirror, Want::DefaultBranch).await.unwrap(), &[]).await), ["apps/one.yaml"]);
}

#[tokio::test]
async fn a_mirror_has_one_user_at_a_time() {
    let remote = small();
    let (git, _data) = machine(&[]);
    let first = git.open(&remote.path(), &anyone()).unwrap();
    fetch(&first, Want::DefaultBranch).await.unwrap();
    let mut hurried = anyone();
    hurried.timeout = Duration::from_millis(800);
    let second = git.open(&remote.path(), &hurried).unwrap();
    let advertisement = first.advertise().await.unwrap();
    let error = second.fetch(&advertisement, &[Want::DefaultBranch]).await.unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    drop(first);
    let second = git.open(&remote.path(), &anyone()).unwrap();
    fetch(&second, Want::DefaultBranch).await.unwrap();
}

#[tokio::test]
async fn branches_that_stand_in_each_other_s_way_are_fetched() {
    let remote = small();
    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    support::git(&remote.bare(), &["branch", "bot", "main"]);
    fetch(&mirror, Want::Branch("bot".to_owned())).await.unwrap();
    support::git(&remote.bare(), &["branch", "-m", "bot", "bot/update"]);
    fetch(&mirror, Want::Branch("bot/update".to_owned())).await.unwrap();
    support::git(&remote.bare(), &["branch", "-m", "bot/update", "bot"]);
    fetch(&mirror, Want::Branch("bot".to_owned())).await.unwrap();
}

#[tokio::test]
async fn a_pack_over_the_limit_is_refused() {
    let remote = Remote::with(&[("noise.yaml", &noise(100_000))]);
    let data = tempfile::tempdir().unwrap();
    let mut settings = settings(data.path(), &[]);
    settings.max_pack_bytes = 10_000;
    let git = Git::new(settings).unwrap();
    let error = fetch(&git.open(&remote.path(), &anyone()).unwrap(), Want::DefaultBranch).await.err().unwrap();
    assert!(matches!(error, Error::AnswerTooLarge { limit: 10_000, .. }), "{error}");
}

/// Text that does not compress.
fn noise(length: usize) -> String {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b' ' + (state >> 57) as u8 % 94)
    };
    (0..length).map(|_| next()).collect()
}
