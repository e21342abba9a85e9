//! Watchtower's labels on Compose services.
//!
//! Watchtower looks for another image behind the tag that runs, pulls it and starts the container anew. In Git that is the digest behind
//! the tag, written behind it. Which services it watches is as it says: all, or with `WATCHTOWER_LABEL_ENABLE` those with the label.

use super::node::{self, Node};
use super::{Choice, Delivery, Form, Image, Import, Input, Place, Source, Spot, short};
use crate::automation::DigestReflection;
use crate::mark::File;
use crate::suggest;

const SOURCE: Source = Source::Watchtower;
/// What its variables begin with; the rest is a flag.
const ENVIRONMENT: &str = "WATCHTOWER_";

const LABEL: &str = "com.centurylinklabs.watchtower.";
const IMAGES: [&str; 4] = ["containrrr/watchtower", "nickfedor/watchtower", "v2tec/watchtower", "beatkind/watchtower"];

/// How Watchtower itself is run.
#[derive(Default)]
struct Settings {
    only_labelled: bool,
    monitor_only: bool,
    interval: Option<String>,
    schedule: Option<String>,
    /// The zone of the schedule.
    zone: Option<String>,
    /// The only containers that it watches, where some are named.
    names: Vec<String>,
}

/// Flags of one letter, as they are spelled out.
const SHORT: [(&str, &str); 6] = [
    ("-i", "interval"),
    ("-s", "schedule"),
    ("-c", "cleanup"),
    ("-t", "stop-timeout"),
    ("-H", "host"),
    ("-a", "api-version"),
];
/// Flags that take a value; another one's is behind a `=`, and a word behind it names a container.
const VALUED: [&str; 9] = [
    "interval",
    "schedule",
    "stop-timeout",
    "host",
    "api-version",
    "scope",
    "log-level",
    "log-format",
    "disable-containers",
];

/// Whether a flag takes a value.
fn takes_value(flag: &str) -> bool {
    let of_news =
        flag.starts_with("notification") && !["notification-report", "notification-log-stdout"].contains(&flag);
    VALUED.contains(&flag) || flag.starts_with("http-api-token") || flag.starts_with("http-api-port") || of_news
}

pub(super) fn read(input: &Input<'_>, import: &mut Import) {
    let mentions = |file: &&File| memchr::memmem::find(&file.bytes, b"watchtower").is_some();
    let found: Vec<(&File, Node)> = input
        .asked()
        .filter(mentions)
        .flat_map(|file| node::documents(file).into_iter().map(move |it| (file, it)))
        .filter(|(_, it)| it.get("services").is_some_and(|it| !it.entries().is_empty()))
        .collect();
    for (file, document) in &found {
        let services = document.get("services").map(Node::entries).unwrap_or_default();
        let own = services.iter().find(|(_, it)| it.text_of("image").is_some_and(is_watchtower));
        let settings = own.map(|(_, it)| settings(file, it, import)).unwrap_or(Settings {
            // Somebody else's Watchtower watches those that are labelled, as far as can be seen here.
            only_labelled: true,
            ..Settings::default()
        });
        for (name, service) in services {
            one(input, import, file, &settings, (name, service));
        }
    }
}

fn is_watchtower(image: &str) -> bool {
    IMAGES.iter().any(|name| image.split([':', '@']).next().is_some_and(|it| it.ends_with(name)))
}

/// The environment of a service: a mapping, or a list of `NAME=value`.
fn pairs(node: Option<&Node>) -> Vec<(String, String, usize)> {
    let Some(node) = node else { return Vec::new() };
    let of_list = node.items().iter().filter_map(|item| {
        // A variable without a value is that of the machine, and a label without one is empty.
        let (key, value) = item.text()?.split_once('=').unwrap_or((item.text()?, ""));
        Some((key.to_owned(), value.to_owned(), item.line))
    });
    let of_map =
        node.entries().iter().map(|(key, it)| (key.clone(), it.text().unwrap_or_default().to_owned(), it.line));
    of_list.chain(of_map).collect()
}

fn settings(file: &File, service: &Node, import: &mut Import) -> Settings {
    let mut said: Vec<(String, String, usize)> = pairs(service.get("environment"));
    let mut names = Vec::new();
    if let Some((words, line)) = service.get("command").map(|it| (words(it), it.line)) {
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let short = SHORT.iter().find(|(short, _)| *short == word).map(|(_, flag)| *flag);
            let Some(flag) = short.or_else(|| word.strip_prefix("--")) else {
                if !word.starts_with('-') {
                    names.push(word.to_owned());
                }
                continue;
            };
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, value.to_owned()),
                None if takes_value(flag) => (flag, words.next().unwrap_or_default().to_owned()),
                None => (flag, "true".to_owned()),
            };
            said.push((format!("{ENVIRONMENT}{}", name.replace('-', "_").to_uppercase()), value, line));
        }
    }
    // What it does where nothing is said.
    let mut settings = Settings { interval: Some("24h".to_owned()), names, ..Settings::default() };
    for (name, value, line) in said {
        if name == "TZ" && !value.is_empty() {
            settings.zone = Some(value.clone());
        }
        let is_on = value.eq_ignore_ascii_case("true") || value == "1";
        let spot = Spot { file: file.path.clone(), line };
        let Some(flag) = name.strip_prefix(ENVIRONMENT).map(|it| it.replace('_', "-").to_lowercase()) else { continue };
        match flag.as_str() {
            "label-enable" => settings.only_labelled = is_on,
            "monitor-only" => settings.monitor_only = is_on,
            "poll-interval" | "interval" if value.parse::<u32>().is_ok() => {
                settings.interval = value.parse().ok().map(duration);
            }
            // Theirs has seconds in front.
            "schedule" if value.split_whitespace().count() == 6 && value.starts_with('0') => {
                let fields: Vec<&str> = value.split_whitespace().skip(1).collect();
                settings.schedule = Some(fields.join(" "));
            }
            "cleanup" => {}
            _ => {
                let why = "it is about containers, or their news, which are not this program's";
                import.leave(SOURCE, &spot, name.as_str(), why);
            }
        }
    }
    settings
}

/// The words of a command: a list, or a text in which quotes hold words together.
fn words(command: &Node) -> Vec<String> {
    if let [_, ..] = command.items() {
        return command.texts().into_iter().map(str::to_owned).collect();
    }
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.text().unwrap_or_default().chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Seconds in the largest unit that they are whole in.
fn duration(seconds: u32) -> String {
    match seconds {
        seconds if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        seconds if seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

fn one(input: &Input<'_>, import: &mut Import, file: &File, settings: &Settings, (name, service): (&str, &Node)) {
    let mut enabled = None;
    let mut monitored = settings.monitor_only;
    let mut spot = service.spot(&file.path);
    for (label, value, line) in pairs(service.get("labels")) {
        let Some(label) = label.strip_prefix(LABEL) else { continue };
        let is_on = value.eq_ignore_ascii_case("true");
        let at = Spot { file: file.path.clone(), line };
        match label {
            "enable" => (enabled, spot) = (Some(is_on), at),
            "monitor-only" => monitored = is_on,
            other => {
                let what = format!("{LABEL}{other} of {name}");
                import.leave(SOURCE, &at, what, "it is about the container, which whoever deploys the commit starts");
            }
        }
    }
    let container = service.text_of("container_name").unwrap_or(name);
    let is_named = settings.names.is_empty() || settings.names.iter().any(|it| it == name || it == container);
    let watched = is_named && enabled.unwrap_or(!settings.only_labelled);
    let Some(image) = service.get("image") else { return };
    let written = image.text().unwrap_or_default();
    if !watched || is_watchtower(written) {
        return;
    }
    let at = image.spot(&file.path);
    let found = input.known.image_on(file, image.line);
    let Some((found, repository)) = found.and_then(|(_, it)| Some((it, it.repository.clone()?))) else {
        return import.leave(
            SOURCE,
            &at,
            format!("the image {written} of {name}"),
            "it is no image that can be followed",
        );
    };
    if let Some(obstacle) = &found.obstacle {
        return import.leave(SOURCE, &at, format!("the image {written} of {name}"), obstacle.to_string());
    }
    let Some(policy) = suggest::tracking(&found.tag).filter(|_| !found.tag.is_empty()) else {
        let why = "it has no tag; write the one that runs, such as `:latest`";
        return import.leave(SOURCE, &at, format!("the image {written} of {name}"), why);
    };
    if monitored {
        import.leave(
            SOURCE,
            &spot,
            format!("monitor-only of {name}"),
            "the policy is suspended, so that nothing is written; `tagwright explain` tells of news",
        );
    }
    let choice = Choice { digest: DigestReflection::Always, suspended: monitored, ..Choice::default() };
    let delivery = Delivery {
        interval: settings.interval.clone(),
        schedule: settings.schedule.clone().map(|schedule| (schedule, settings.zone.clone())),
        ..Delivery::default()
    };
    let place = Place { path: file.path.clone(), spot: at, form: Form::Compose(name.to_owned()) };
    let image_name = short(&repository).to_owned();
    let image = Image { name: image_name, repository, policy, choice, spot, source: SOURCE, places: vec![place] };
    import.add("watchtower", delivery, image);
}
