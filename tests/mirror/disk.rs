//! What a mirror takes on disk, and what it survives.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use git::{End, Git, Mirror};
use tempfile::TempDir;

use crate::support::{Remote, TIME, anyone, git, machine};
use crate::world::{fetch, log, push, try_fetch, walk};

/// A remote, and a mirror that can be opened again.
struct Place {
    remote: Remote,
    machine: Git,
    data: TempDir,
}

impl Place {
    fn new() -> Self {
        let remote = Remote::with(&[("apps/one.yaml", "0")]);
        remote.config("pack.window", "0");
        let (machine, data) = machine(&[]);
        Self { remote, machine, data }
    }

    fn open(&self) -> Mirror {
        self.machine.open(&self.remote.path(), &anyone()).unwrap()
    }

    fn folder(&self) -> PathBuf {
        self.open().folder().to_owned()
    }

    /// The packs with their indexes, sorted.
    fn packs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder().join("objects/pack")).unwrap();
        let mut packs: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        packs.sort();
        packs
    }

    /// Leaves as many packs behind as there are commits.
    async fn push_often(&self, times: usize) {
        let mirror = self.open();
        for n in 0..times {
            let snapshot = fetch(&mirror).await;
            let seconds = TIME + i64::try_from(n).unwrap() * 60;
            push(&mirror, &snapshot, "apps/one.yaml", &format!("{n}.{times}\n"), seconds).await;
        }
    }

    /// Panics unless the mirror is as good as new.
    async fn check(&self, commits: usize) {
        let mirror = self.open();
        let tip = fetch(&mirror).await.commit();
        assert_eq!(tip.to_string(), self.remote.at("main"));
        let (walked, lines) = walk(&mirror, tip, &["apps/one.yaml"]).await;
        assert_eq!(walked.commits, commits, "{lines:?}");
        git(&self.folder(), &["fsck", "--strict", "--full", "--no-dangling"]);
    }
}

#[tokio::test]
async fn many_packs_become_one() {
    let place = Place::new();
    place.push_often(54).await;
    assert_eq!(place.packs().len(), 2 * 55);
    let saved = tempfile::tempdir().unwrap();
    for path in place.packs() {
        fs::copy(&path, saved.path().join(path.file_name().unwrap())).unwrap();
    }
    place.check(55).await;
    let rolled = place.packs();
    assert_eq!(rolled.len(), 2, "{rolled:?}");
    let counted = git(&place.folder(), &["count-objects", "-v"]);
    let all = git(&place.folder(), &["rev-list", "--objects", "main"]).lines().count();
    assert!(counted.contains(&format!("in-pack: {all}\n")), "{counted}");

    // Killed before, between and after the deletions: some of the old packs are still there, one without its index.
    for (n, entry) in fs::read_dir(saved.path()).unwrap().enumerate() {
        let name = entry.unwrap().file_name();
        if n % 3 > 0 {
            fs::copy(saved.path().join(&name), place.folder().join("objects/pack").join(&name)).unwrap();
        }
    }
    place.check(55).await;
    // Killed while the new one is written.
    for path in rolled {
        fs::remove_file(path).unwrap();
    }
    for entry in fs::read_dir(saved.path()).unwrap() {
        let name = entry.unwrap().file_name();
        fs::copy(saved.path().join(&name), place.folder().join("objects/pack").join(&name)).unwrap();
    }
    fs::write(place.folder().join("objects/pack/pack_git2_1234"), "PACK").unwrap();
    place.check(55).await;
    assert_eq!(place.packs().len(), 2);
    place.push_often(2).await;
    place.check(57).await;
    place.remote.fsck();
}

#[tokio::test]
async fn packs_that_cannot_be_rolled_are_fetched_anew() {
    let place = Place::new();
    place.push_often(52).await;
    for pack in place.packs().iter().filter(|path| path.extension().unwrap() == "pack") {
        let mut bytes = fs::read(pack).unwrap();
        let end = bytes.len() - 20;
        bytes[20..end].fill(0);
        fs::set_permissions(pack, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(pack, &bytes).unwrap();
    }
    place.check(1).await;
    assert_eq!(place.packs().len(), 2);
}

/// Leaves so many bytes of a file.
fn cut(path: &Path, length: usize) {
    let bytes = fs::read(path).unwrap();
    assert!(bytes.len() > length);
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, &bytes[..length]).unwrap();
}

#[tokio::test]
async fn a_mirror_that_has_grown_too_large_is_fetched_anew() {
    let place = Place::new();
    place.check(1).await;
    let mut noise = vec![0; 13 << 20];
    for n in 1..=3 {
        fs::File::open("/dev/urandom").unwrap().read_exact(&mut noise).unwrap();
        fs::write(place.remote.work().join("large"), &noise).unwrap();
        place.remote.commit_at(TIME + n * 3_600, &[], "large");
        place.check(1 + usize::try_from(n).unwrap()).await;
    }
    assert_eq!(place.packs().len(), 2 * 4);
    place.check(1).await;
    assert_eq!(place.packs().len(), 2);
    // From the new size on, it may grow again.
    place.remote.commit_at(TIME + 9 * 3_600, &[("small", "x")], "small");
    place.check(2).await;
    place.check(2).await;
}

/// libgit2 has each object in memory that it writes into another pack.
#[tokio::test]
async fn packs_with_very_large_files_stay_as_they_are() {
    let place = Place::new();
    fs::write(place.remote.work().join("large"), vec![0; 40 << 20]).unwrap();
    place.push_often(1).await;
    git(&place.remote.work(), &["pull", "-q", "--ff-only", "origin", "main"]);
    place.remote.commit_at(TIME + 3_600, &[], "large");
    fetch(&place.open()).await;
    let largest = || place.packs().into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let large = largest();
    let mirror = place.open();
    for n in 0..54 {
        let snapshot = fetch(&mirror).await;
        push(&mirror, &snapshot, "apps/one.yaml", &format!("{n}\n"), TIME + 7_200 + n).await;
    }
    drop(mirror);
    fs::write(place.remote.work().join("noise"), "").unwrap();
    fetch(&place.open()).await;
    assert!(place.packs().len() <= 2 * 4, "{:?}", place.packs());
    assert!(large.exists(), "{large:?}");
}

/// A mirror is not thrown away for what the disk does: where nothing can be written, what looks like damage need not be any.
#[tokio::test]
async fn what_the_disk_does_is_no_damage() {
    let place = Place::new();
    fetch(&place.open()).await;
    let in_the_way = place.folder().join("tagwright-tmp-probe");
    fs::create_dir(&in_the_way).unwrap();
    for path in place.packs() {
        fs::remove_file(path).unwrap();
    }
    for _ in 0..2 {
        let error = try_fetch(&place.open()).await.err().unwrap();
        assert!(matches!(error, git::Error::File { what: "use the mirror", .. }), "{error}");
        assert!(in_the_way.exists(), "the mirror is the same");
    }
    fs::remove_dir(in_the_way).unwrap();
    place.check(1).await;
}

/// Each kind of damage is followed by a fetch of something new, twice where the first only finds it.
#[tokio::test]
async fn damage_is_repaired() {
    let place = Place::new();
    let with = |extension: &str| {
        let packs = place.packs();
        packs.into_iter().filter(|path| path.extension().unwrap() == extension).collect::<Vec<_>>()
    };
    let folder = place.folder();
    let damages: [(&str, &dyn Fn()); 9] = [
        ("a truncated pack", &|| with("pack").iter().for_each(|path| cut(path, 40))),
        ("a pack without its checksum", &|| {
            with("pack").iter().for_each(|path| cut(path, fs::metadata(path).unwrap().len() as usize - 1))
        }),
        ("a truncated index", &|| with("idx").iter().for_each(|path| cut(path, 1_000))),
        ("no index", &|| fs::remove_file(&with("idx")[0]).unwrap()),
        ("garbage in shallow", &|| fs::write(folder.join("shallow"), "garbage\n").unwrap()),
        ("bytes in shallow", &|| fs::write(folder.join("shallow"), b"\xff\xfe\0").unwrap()),
        ("no references", &|| fs::remove_dir_all(folder.join("refs/heads")).unwrap()),
        ("a broken reference", &|| fs::write(folder.join("refs/heads/main"), "nonsense").unwrap()),
        ("a reference to nothing", &|| {
            fs::write(folder.join("refs/heads/main"), format!("{}\n", "1".repeat(40))).unwrap();
        }),
    ];
    for (n, (what, damage)) in (1..).zip(damages) {
        fetch(&place.open()).await;
        damage();
        for at in 0..2 {
            let text = format!("{n}.{at}\n");
            place.remote.commit_at(TIME + n * 7_200 + at * 3_600, &[("apps/one.yaml", &text)], what);
            let fetched = try_fetch(&place.open()).await;
            assert!(at == 0 || fetched.is_ok(), "{what}");
        }
        let mirror = place.open();
        let snapshot = fetch(&mirror).await;
        assert!(snapshot.read("apps/one.yaml", 10).await.unwrap().is_some(), "{what}");
        assert!(matches!(log(&mirror, snapshot.commit()).await, (log, End::Boundary) if !log.is_empty()), "{what}");
        git(&folder, &["fsck", "--strict", "--no-dangling"]);
    }
}

#[tokio::test]
async fn mirrors_that_nobody_needs_are_deleted() {
    let (kept, used, gone) = (Place::new(), Remote::with(&[("a", "1")]), Remote::with(&[("a", "1")]));
    let open = |remote: &Remote| kept.machine.open(&remote.path(), &anyone()).unwrap();
    fetch(&kept.open()).await;
    let in_use = open(&used);
    fetch(&in_use).await;
    fetch(&open(&gone)).await;
    let mirrors = kept.data.path().join("mirrors");
    let name = |mirror: &Mirror| mirror.folder().file_name().unwrap().to_str().unwrap().to_owned();
    let (kept_name, used_name, gone_name) = (name(&kept.open()), name(&in_use), name(&open(&gone)));
    let killed = "0123456789abcdef0123456789abcdef";
    let left = [format!("new-{kept_name}-x1"), format!("old-{kept_name}-x2/mirror"), format!("new-{killed}-x3")];
    for folder in &left {
        fs::create_dir_all(mirrors.join(folder)).unwrap();
    }
    fs::create_dir_all(mirrors.join(format!("new-{used_name}-x4"))).unwrap();
    fs::write(mirrors.join("README"), "not ours").unwrap();

    let urls = [kept.remote.path(), "no url at all".to_owned()];
    assert_eq!(kept.machine.retain(&urls).await.unwrap(), 1);
    let mut entries: Vec<_> =
        fs::read_dir(&mirrors).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    entries.sort();
    let mut expect = vec![
        "README".to_owned(),
        kept_name.clone(),
        format!("{kept_name}.lock"),
        used_name.clone(),
        format!("{used_name}.lock"),
        format!("new-{used_name}-x4"),
    ];
    expect.sort();
    assert_eq!(entries, expect);
    assert!(!mirrors.join(gone_name).exists());
    drop(in_use);
    assert_eq!(kept.machine.retain(&urls).await.unwrap(), 1);
    assert_eq!(fs::read_dir(&mirrors).unwrap().count(), 3);
    kept.check(1).await;
    let (empty, _data) = machine(&[]);
    assert_eq!(empty.retain(&[]).await.unwrap(), 0);
}

/// A lock that is taken on a file that was deleted meanwhile protects nothing.
#[tokio::test(flavor = "multi_thread")]
async fn deleting_does_not_disturb_those_who_come() {
    let place = Place::new();
    let machine = place.machine.clone();
    let deleting = tokio::spawn(async move {
        let mut deleted = 0;
        while deleted < 20 {
            deleted += machine.retain(&[]).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    while !deleting.is_finished() {
        place.check(1).await;
    }
    deleting.await.unwrap();
    place.check(1).await;
}
