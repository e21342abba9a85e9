//! `skip`: which commits are the bot's own, and by which sign.

use crate::world::{Run, World};

/// A checkout with commits made by the real git.
struct Checkout(World);

impl Checkout {
    fn new() -> Self {
        let world = World::new();
        world.git("", &["init", "-q", "-b", "main", "checkout"]);
        Self(world)
    }

    fn commit(&self, author: &str, message: &[u8]) {
        let author = format!("--author={author}");
        self.0.git_fed(
            "checkout",
            &["commit", "-q", "--allow-empty", "--cleanup=verbatim", &author, "-F", "-"],
            message,
        );
    }

    fn skip(&self, folder: &str, arguments: &[&str]) -> Run {
        let mut command = self.0.tagwright(["skip"].iter().chain(arguments));
        let run = self.0.finish(command.current_dir(self.0.path(folder)), b"");
        match run.stdout.split_once(' ') {
            // Hashes have the time in them.
            Some((commit, _)) => run.clone().masked(commit, "COMMIT"),
            None => run,
        }
    }
}

const ADA: &str = "Ada <ada@example.com>";
const BOT: &str = "kubevelabot <kubevelabot@users.noreply.github.com>";

/// Author, message, further arguments, exit code, output.
type Case<'a> = (&'a str, &'a [u8], &'a [&'a str], i32, &'a str);

#[test]
fn commits_are_recognised_by_trailer_author_or_beginning() {
    let checkout = Checkout::new();
    let cases: [Case<'_>; 14] = [
        (ADA, b"Fix the shop\n", &[], 1, "COMMIT is not the bot's own\n"),
        (
            ADA,
            b"Update images\n\nTagwright-Automation: shop/shop\nTagwright-Policy: shop:web\n",
            &[],
            0,
            "COMMIT is the bot's own, by trailer Tagwright-Automation: shop/shop\n",
        ),
        (
            BOT,
            b"anything\n",
            &[],
            0,
            "COMMIT is the bot's own, by author kubevelabot <kubevelabot@users.noreply.github.com>\n",
        ),
        (
            ADA,
            b"Update image automatically.\nImage: ghcr.io/fogdong/test-fog:master-6e9b0f9-1656569910\n",
            &[],
            0,
            "COMMIT is the bot's own, by message that begins with 'Update image automatically.'\n",
        ),
        (
            ADA,
            b"Update from image update automation",
            &[],
            0,
            "COMMIT is the bot's own, by message that begins with 'Update from image update automation'\n",
        ),
        (
            ADA,
            b"Revert \"Update image automatically.\"\n\nIt said: Update image automatically.\n",
            &[],
            1,
            "COMMIT is not the bot's own\n",
        ),
        (
            ADA,
            b"Say how\n\nCommits of the bot have\n\nTagwright-Automation: shop/shop\n\nat their end.\n",
            &[],
            1,
            "COMMIT is not the bot's own\n",
        ),
        (ADA, b"Update from image update automations are bad\n", &[], 1, "COMMIT is not the bot's own\n"),
        (ADA, b"Say how\n\nTagwright-Automation: hello world\n", &[], 1, "COMMIT is not the bot's own\n"),
        (
            ADA,
            b"chore(images): web\n",
            &["--prefix", "chore(images)"],
            0,
            "COMMIT is the bot's own, by message that begins with 'chore(images)'\n",
        ),
        (ADA, b"not chore(images)\n", &["--prefix", "chore(images)"], 1, "COMMIT is not the bot's own\n"),
        (
            "Flux <flux@example.com>",
            b"x\n",
            &["--author", "flux@example.com"],
            0,
            "COMMIT is the bot's own, by author Flux <flux@example.com>\n",
        ),
        (
            "Flux <flux@example.com>",
            b"x\n",
            &["--author", "Ada", "--author", "Flux"],
            0,
            "COMMIT is the bot's own, by author Flux <flux@example.com>\n",
        ),
        (ADA, b"caf\xe9 in Latin-1\n", &["--prefix="], 1, "COMMIT is not the bot's own\n"),
    ];
    for (author, message, arguments, code, says) in cases {
        checkout.commit(author, message);
        let run = checkout.skip("checkout", arguments);
        run.prints(code, says);
        assert_eq!(run.stderr, "");
    }
}

#[test]
fn a_revision_is_anything_that_git_takes() {
    let checkout = Checkout::new();
    checkout.commit(BOT, b"first\n");
    checkout.commit(ADA, b"second\n");
    checkout.0.git("checkout", &["tag", "-a", "-m", "x", "v1", "HEAD~1"]);
    std::fs::create_dir_all(checkout.0.path("checkout/deep/er")).unwrap();
    let hash = checkout.0.git("checkout", &["rev-parse", "HEAD~1"]);
    for revision in ["HEAD~1", "main^", "v1", "refs/tags/v1", &hash[..10]] {
        assert_eq!(checkout.skip("checkout/deep/er", &[revision]).code, 0, "{revision}");
    }
    assert_eq!(checkout.skip("checkout/deep/er", &[]).code, 1);
}

/// A push is the bot's when all of it is: a person's commit below the bot's is built.
#[test]
fn of_a_range_every_commit_has_to_be_the_bots() {
    let checkout = Checkout::new();
    let head = || checkout.0.git("checkout", &["rev-parse", "HEAD"]).trim().to_owned();
    checkout.commit(ADA, b"first\n");
    let first = head();
    for n in 0..3 {
        checkout.commit(BOT, format!("update {n}\n").as_bytes());
    }
    let bots = head();
    let check = |revision: &str, code: i32, says: &str| {
        let run =
            checkout.0.finish(checkout.0.tagwright(["skip", revision]).current_dir(checkout.0.path("checkout")), b"");
        assert_eq!((run.code, run.stdout.contains(says)), (code, true), "{revision}: {}", run.text());
    };
    check(&format!("{first}..{bots}"), 0, "the 3 commits of");
    check(&format!("{first}.."), 0, "the 3 commits of");
    check("HEAD~1..HEAD", 0, "is the bot's own, by author");
    check("HEAD..HEAD", 1, "HEAD..HEAD has no commit");
    // A new branch: all of it is new.
    check(&format!("{}..{bots}", "0".repeat(40)), 1, &format!("{} is not the bot's own", &first[..7]));
    checkout.commit(ADA, b"work\n");
    let work = head();
    checkout.commit(BOT, b"update\n");
    check(&format!("{bots}..HEAD"), 1, &format!("{} is not the bot's own", &work[..7]));
    check("HEAD", 0, "is the bot's own");
    // A merge brings what is on the other side of it.
    checkout.0.git("checkout", &["checkout", "-q", "-b", "side", &bots]);
    checkout.commit(ADA, b"aside\n");
    checkout.0.git("checkout", &["merge", "-q", "--no-ff", "-m", "Update image automatically.", "main"]);
    check("main..HEAD", 1, "is not the bot's own");
    // Without a commit that the forge names, nobody can tell.
    check(&format!("{}..HEAD", "1".repeat(40)), 2, "");
    checkout.0.git(
        "",
        &["clone", "-q", "--depth", "1", &format!("file://{}", checkout.0.path("checkout").display()), "shallow"],
    );
    let mut command = checkout.0.tagwright(["skip", &format!("{}..HEAD", "0".repeat(40)), "--author", "Ada"]);
    let run = checkout.0.finish(command.current_dir(checkout.0.path("shallow")), b"");
    assert_eq!((run.code, run.stderr.contains("shallow")), (2, true), "{}", run.text());
}

#[test]
fn a_message_without_a_checkout() {
    let world = World::new();
    let bot = "Update image automatically.\nImage: ghcr.io/fogdong/test-fog:master-6e9b0f9-1656569910\n";
    let says = "the message is the bot's own, by message that begins with 'Update image automatically.'\n";
    world.feed(bot, ["skip", "--message-file", "-"]).prints(0, says);
    world.write("message", "Update\n\nTagwright-Automation: a/b\n");
    world
        .run(["skip", "--message-file", "message"])
        .prints(0, "the message is the bot's own, by trailer Tagwright-Automation: a/b\n");
    world.feed("", ["skip", "--message-file", "-"]).prints(1, "the message is not the bot's own\n");
    let latin = world.finish(&mut world.tagwright(["skip", "--message-file", "-"]), b"caf\xe9\n");
    latin.prints(1, "the message is not the bot's own\n");
}

#[test]
fn what_cannot_be_looked_at_is_neither_yes_nor_no() {
    let world = World::new();
    insta::assert_snapshot!(world.run(["skip"]).text(), @"
exit 2
-- stdout
-- stderr
error: cannot open the checkout to read HEAD
  caused by: could not find repository at '.'
  hint: run it in a checkout, or pass the message with --message-file FILE
");
    insta::assert_snapshot!(world.run(["skip", "--message-file", "nowhere"]).text(), @"
exit 2
-- stdout
-- stderr
error: cannot read nowhere
  caused by: no such file or directory
  hint: check the path
");
    let checkout = Checkout::new();
    insta::assert_snapshot!(checkout.skip("checkout", &[]).text(), @"
exit 2
-- stdout
-- stderr
error: cannot find HEAD
  caused by: revspec 'HEAD' not found
  hint: name a commit as git does: HEAD, a branch, a hash, or a range A..B
");
    checkout.commit(ADA, b"first\n");
    insta::assert_snapshot!(checkout.skip("checkout", &["nope"]).text(), @"
exit 2
-- stdout
-- stderr
error: cannot find nope
  caused by: revspec 'nope' not found
  hint: name a commit as git does: HEAD, a branch, a hash, or a range A..B
");
    insta::assert_snapshot!(checkout.skip("checkout", &["HEAD~1"]).text(), @"
exit 2
-- stdout
-- stderr
error: cannot find HEAD~1
  caused by: parent 0 does not exist
  hint: name a commit as git does: HEAD, a branch, a hash, or a range A..B
");
    insta::assert_snapshot!(checkout.skip("checkout", &["HEAD:"]).text(), @"
exit 2
-- stdout
-- stderr
error: cannot read HEAD:
  caused by: the git_object of id '4b825dc642cb6eb9a060e54bf8d69288fbee4904' can not be successfully peeled into a commit (git_object_t=1).
  hint: name a commit as git does: HEAD, a branch, a hash, or a range A..B
");
    assert_eq!(checkout.skip("checkout", &[""]).code, 2);
    // Somebody else's checkout, as in a container of a CI job; only root can give files away.
    let somebody = checkout.0.program("chown").args(["-R", "12345"]).arg(checkout.0.path("checkout")).status().unwrap();
    if somebody.success() {
        checkout.skip("checkout", &[]).refuses(2, "safe.directory");
    }
}
