//! What a person took back stays so when the field gets another place: another file, object, policy or neighbour.

use jiff::SignedDuration;
use tempfile::TempDir;

use crate::support::{git, git_at};
use crate::world::{Bot, STABLE};

const MARKER: &str = "# {\"$imagepolicy\": \"default:app\"}";

/// A clone in which a person works.
struct Person {
    work: TempDir,
}

impl Person {
    fn new(bot: &Bot) -> Self {
        let work = tempfile::tempdir().unwrap();
        git(work.path(), &["clone", "-q", "--branch", "main", bot.remote.bare().to_str().unwrap(), "."]);
        Self { work }
    }

    /// Removes what is there, writes these files, and pushes that as one commit.
    fn commits(&self, bot: &Bot, files: &[(&str, String)], message: &str) {
        let folder = self.work.path();
        git(folder, &["pull", "-q", "--ff-only", "origin", "main"]);
        git(folder, &["rm", "-q", "-r", "."]);
        for (path, text) in files {
            std::fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
            std::fs::write(folder.join(path), text).unwrap();
        }
        git(folder, &["add", "-A"]);
        git_at(folder, bot.now.as_second(), &["commit", "-q", "--allow-empty", "-F", "-"], message.as_bytes());
        git(folder, &["push", "-q", "origin", "main"]);
    }
}

fn object(name: &str, fields: &[String]) -> String {
    let fields: String = fields.iter().map(|field| format!("  - image: {field} {MARKER}\n")).collect();
    format!("kind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  containers:\n{fields}")
}

/// What a person makes of the file after the revert: files with `OLD` and `NEW` for the images.
type After = fn(old: &str, new: &str) -> Vec<(&'static str, String)>;

const CHANGES: [(&str, After); 9] = [
    ("the file is moved", |old, _| vec![("prod/web.yaml", object("web", &[old.to_owned()]))]),
    ("the file is moved and edited", |old, _| {
        vec![("prod/shop/app.yaml", format!("# moved\n{}  replicas: 3\n", object("web", &[old.to_owned()])))]
    }),
    ("the file has another name and another line", |old, _| {
        vec![("other.yaml", format!("{}  replicas: 3\n", object("web", &[old.to_owned()])))]
    }),
    ("the object has another name", |old, _| vec![("app.yaml", object("shop", &[old.to_owned()]))]),
    ("a field like it comes before it", |old, new| {
        vec![("app.yaml", object("web", &[new.to_owned(), old.to_owned()]))]
    }),
    ("two fields like it come before it", |old, new| {
        vec![("app.yaml", object("web", &[new.to_owned(), new.to_owned(), old.to_owned()]))]
    }),
    ("a field like it comes after it", |old, new| vec![("app.yaml", object("web", &[old.to_owned(), new.to_owned()]))]),
    ("it is in another document of the file", |old, _| {
        vec![("app.yaml", format!("kind: ConfigMap\nmetadata: {{name: x}}\n---\n{}", object("web", &[old.to_owned()])))]
    }),
    ("it is in a document with another object that has such a field", |old, new| {
        vec![("app.yaml", format!("{}---\n{}", object("till", &[new.to_owned()]), object("web", &[old.to_owned()])))]
    }),
];

#[tokio::test]
async fn a_field_that_was_taken_back_stays_wherever_it_goes() {
    for ((name, after), at_once) in CHANGES.into_iter().flat_map(|change| [(change, false), (change, true)]) {
        let name = format!("{name}, {}", if at_once { "in the commit that takes it back" } else { "later" });
        let mut bot = Bot::start(&["1.1.0", "1.2.0"]).await;
        let automations = bot.configuration(STABLE);
        let image = |tag: &str| format!("{}:{tag}", bot.image());
        let (old, new) = (image("1.1.0"), image("1.2.0"));
        let person = Person::new(&bot);
        let original = |image: &str| vec![("app.yaml", object("web", &[image.to_owned()]))];
        person.commits(&bot, &original(&old), "A deployment");
        bot.run(&automations).await;
        assert_eq!(bot.remote.show("main:app.yaml"), original(&new)[0].1, "{name}");
        if !at_once {
            person.commits(&bot, &original(&old), "Back to 1.1.0");
        }
        let files = after(&old, &new);
        person.commits(&bot, &files, "Another place");
        bot.now += SignedDuration::from_mins(5);
        for _ in 0..2 {
            let report = bot.run(&automations).await.0;
            let codes: Vec<&str> = report.automations[0].holds.iter().map(|held| held.hold.code()).collect();
            assert_eq!(
                (report.automations[0].outcome.as_str(), codes),
                ("held", vec!["reverted"]),
                "{name}: {report:?}"
            );
            for (path, text) in &files {
                assert_eq!(&bot.remote.show(&format!("main:{path}")), text, "{name}");
            }
        }
    }
}

/// A revert that repeats the bot's message, trailers included, as squashed pull requests do.
#[tokio::test]
async fn a_revert_with_the_words_of_the_bot_is_a_persons() {
    let mut bot = Bot::start(&["1.1.0", "1.2.0"]).await;
    let automations = bot.configuration(STABLE);
    bot.run(&automations).await;
    assert_eq!(bot.remote.show("main:app.yaml"), bot.file("1.2.0"));
    let person = Person::new(&bot);
    let message = "Update images\n\nTagwright-Automation: default/shop\nTagwright-Policy: default:app\n";
    person.commits(&bot, &[("app.yaml", bot.file("1.1.0"))], message);
    bot.now += SignedDuration::from_mins(5);
    let report = bot.run(&automations).await.0;
    assert_eq!(report.automations[0].holds[0].hold.code(), "reverted", "{report:?}");
    // And who squashes what the bot did goes on as the bot.
    person.commits(&bot, &[("app.yaml", bot.file("1.2.0"))], message);
    bot.registry.change(|world| world.repositories.get_mut("team/app").unwrap().push("1.3.0".to_owned()));
    assert_eq!(bot.run(&automations).await.0.automations[0].outcome.as_str(), "pushed");
}

/// A list of images, of which one goes back while others come and go in the same commit.
#[tokio::test]
async fn one_of_several_is_taken_back_while_others_come_and_go() {
    type Names = &'static [(&'static str, bool)];
    const CASES: [Names; 6] = [
        &[("new", true), ("a", true), ("b", false)],
        &[("a", true), ("b", false), ("new", true)],
        &[("new", true), ("b", false), ("a", true)],
        &[("b", false)],
        &[("a", true), ("b", false), ("c", false)],
        &[("a", true), ("c", false), ("b", false)],
    ];
    let marker = "# {\"$imagepolicy\": \"default:app:tag\"}";
    for names in CASES {
        let mut bot = Bot::start(&["1.1.0", "1.2.0"]).await;
        let automations = bot.configuration(STABLE);
        let list = |items: &[(&str, bool)]| -> String {
            let tag = |is_new: bool| if is_new { "1.2.0" } else { "1.1.0" };
            let item = |(name, is_new): &(&str, bool)| format!("- name: {name}\n  newTag: {} {marker}\n", tag(*is_new));
            format!("images:\n{}", items.iter().map(item).collect::<String>())
        };
        let person = Person::new(&bot);
        let files = |items: &[(&str, bool)]| vec![("kustomization.yaml", list(items))];
        person.commits(&bot, &files(&[("a", false), ("b", false)]), "Two images");
        bot.run(&automations).await;
        assert_eq!(bot.remote.show("main:kustomization.yaml"), list(&[("a", true), ("b", true)]));
        person.commits(&bot, &files(names), "Back, and more");
        bot.now += SignedDuration::from_mins(5);
        let report = bot.run(&automations).await.0;
        assert_eq!(report.automations[0].outcome.as_str(), "held", "{names:?}: {report:?}");
        assert_eq!(bot.remote.show("main:kustomization.yaml"), list(names));
        // What comes with an old value of its own is not held.
        if names.len() == 1 {
            person.commits(&bot, &files(&[("a", true), ("b", true)]), "Both again");
            person.commits(&bot, &files(&[("a", true), ("b", true), ("c", false)]), "A third");
            bot.run(&automations).await;
            let all = list(&[("a", true), ("b", true), ("c", true)]);
            assert_eq!(bot.remote.show("main:kustomization.yaml"), all);
        }
    }
}
