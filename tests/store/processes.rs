//! A process that writes and is killed, and one whose disk is full. Both are this test binary, started again.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use tagwright::store::{Filter, Notice, Store};

use super::{at, image, open, record};

/// The folder for the process that is started; in its absence this is the test itself.
const FOLDER: &str = "STORE_TEST_FOLDER";
const KILLS: u32 = 50;
const CYCLES: i64 = 1200;

/// Starts this binary again, with one test and a folder.
fn again(mut command: Command, test: &str, folder: &Path) -> Child {
    command.args(["--exact", test, "--nocapture"]).env(FOLDER, folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// What the process says, line by line, as numbers behind a word.
fn said(child: &mut Child) -> Receiver<(String, i64)> {
    let (sender, receiver) = mpsc::channel();
    let output = BufReader::new(child.stdout.take().unwrap());
    thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if let Some((word, number)) = line.split_once(' ')
                && let Ok(number) = number.parse()
                && sender.send((word.to_owned(), number)).is_err()
            {
                break;
            }
        }
    });
    receiver
}

fn say(word: &str, number: i64) {
    let mut output = io::stdout().lock();
    writeln!(output, "{word} {number}").unwrap();
    output.flush().unwrap();
}

/// How far a store has got.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Progress {
    records: i64,
    tags: i64,
    holds: i64,
    polls: i64,
}

impl Progress {
    fn of(store: &Store) -> Self {
        let newest = store.records(&Filter { most: 1, ..Filter::default() }).unwrap();
        let image = store.image("image").unwrap().unwrap_or_default();
        let held = store.switches().unwrap().held;
        Self {
            records: newest.first().map_or(0, |record| record.message.parse().unwrap()),
            tags: image.tags.first().map_or(0, |tag| tag.name.as_str().parse().unwrap()),
            holds: held.values().next().map_or(0, |held| held.reason.as_ref().unwrap().parse().unwrap()),
            polls: image.polled.as_second(),
        }
    }
}

/// Writes until it is killed, and says what a call has confirmed.
fn write_for_ever(folder: &Path) -> ! {
    let start = Progress::of(&open(folder));
    let newest = [start.records, start.tags, start.holds].into_iter().max().unwrap();
    let mut number = newest.max(start.polls - at(0).as_second());
    loop {
        // Closing and opening are moments to be killed in, too.
        let store = open(folder);
        for _ in 0..4 {
            number += 1;
            let tags = number - number % 3;
            let name = tags.to_string();
            store.put_images(vec![("image".to_owned(), image(&vec![name.as_str(); 500], at(number)))]).unwrap();
            say("tags", tags);
            store.record(vec![record(&number.to_string())]).unwrap();
            say("records", number);
            store.hold("apps:a", Some(&number.to_string()), at(number)).unwrap();
            say("holds", number);
        }
        say("closing", number);
    }
}

#[test]
fn killed_at_any_moment() {
    if let Some(folder) = env::var_os(FOLDER) {
        write_for_ever(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut moments = [0; 3];
    for kill in 0..KILLS {
        let mut child = again(Command::new(env::current_exe().unwrap()), "processes::killed_at_any_moment", &data);
        let words = said(&mut child);
        let mut heard = Vec::new();
        // Every fifth is killed while it starts. Any moment will do: what must hold does not depend on it.
        if kill % 5 > 0 {
            heard.push(words.recv().expect("it writes"));
        }
        let end = Instant::now() + Duration::from_micros(1700) * kill;
        while let Ok(word) = words.recv_timeout(end.saturating_duration_since(Instant::now())) {
            heard.push(word);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        heard.extend(words);

        let store = open(&data);
        let found = Progress::of(&store);
        let last = |word: &str| heard.iter().rev().find(|(said, _)| said == word).map_or(0, |(_, number)| *number);
        let told = [last("records"), last("tags"), last("holds")];
        assert!(found.records >= told[0] && found.tags >= told[1] && found.holds >= told[2], "{found:?} {told:?}");
        moments[heard.last().map_or(0, |(word, _)| if word == "closing" { 1 } else { 2 })] += 1;
    }
    let [starting, reopening, writing] = moments;
    println!("killed {starting} times while starting, {reopening} while closing and opening, {writing} while writing");
}

/// Writes until there is no space, waits for a word, and goes on.
fn fill_the_disk(folder: &Path) {
    let store = open(folder);
    store.hold("apps:a", None, at(0)).unwrap();
    let tags: Vec<String> = (0..2000).map(|number| format!("1.0.{number}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let put = |number: i64| store.put_images(vec![(number.to_string(), image(&tags, at(number)))]);
    let first = (0..1000).find(|number| put(*number).is_err()).expect("the disk is full at some time");
    for number in first..first + 5 {
        assert!(put(number).is_err() || store.image(&number.to_string()).unwrap().is_some(), "{number}");
    }
    let readable = (0..first).filter(|number| store.image(&number.to_string()).unwrap().is_some()).count();
    assert_eq!(readable as i64, first, "what was kept can be read while the disk is full");
    say("full", first);
    io::stdin().read_line(&mut String::new()).unwrap();
    put(first).unwrap();
    store.record(vec![record("again")]).unwrap();
    say("again", first);
}

#[test]
fn a_full_disk_is_survived() {
    if let Some(folder) = env::var_os(FOLDER) {
        return fill_the_disk(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    // In units of 512 bytes; a write beyond is an error when its signal is ignored.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -S -f 8192; exec \"$0\" \"$@\""]).arg(env::current_exe().unwrap());
    let mut child = again(limited, "processes::a_full_disk_is_survived", folder.path());
    let words = said(&mut child);
    let (word, first) = words.recv().expect("the disk gets full");
    assert_eq!(word, "full");
    let grown = Command::new("prlimit").args(["--pid", &child.id().to_string(), "--fsize=unlimited"]).status();
    assert!(grown.expect("prlimit is there").success());
    child.stdin.take().unwrap().write_all(b"go on\n").unwrap();
    assert_eq!(words.recv().expect("it goes on"), ("again".to_owned(), first));
    assert!(child.wait().unwrap().success());

    let store = open(folder.path());
    assert!((0..=first).all(|number| store.image(&number.to_string()).unwrap().is_some()));
    assert_eq!(super::messages(&store), ["again"]);
    assert!(store.switches().unwrap().held.contains_key("apps:a"));
}

#[test]
fn where_there_is_no_space_for_a_file_memory_serves() {
    if let Some(folder) = env::var_os(FOLDER) {
        let (store, notice) = super::open_with_notice(Path::new(&folder));
        store.record(vec![record("kept")]).unwrap();
        let in_memory = matches!(notice, Some(Notice::InMemory { .. })) && super::messages(&store) == ["kept"];
        return say("memory", i64::from(in_memory));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -S -f 4; exec \"$0\" \"$@\""]).arg(env::current_exe().unwrap());
    let test = "processes::where_there_is_no_space_for_a_file_memory_serves";
    let mut child = again(limited, test, folder.path());
    assert_eq!(said(&mut child).recv().expect("it serves"), ("memory".to_owned(), 1));
    assert!(child.wait().unwrap().success());
    // With space again, nothing of the attempt is in the way.
    open(folder.path()).record(vec![record("written")]).unwrap();
    assert_eq!(super::messages(&open(folder.path())), ["written"]);
}

#[test]
fn overwriting_does_not_grow_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let size = || folder.path().join("state.redb").metadata().unwrap().len();
    let tags: Vec<String> = (0..200).map(|number| format!("1.0.{number}")).collect();
    let mut tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let mut cycle = |number: i64| {
        // Mostly polls with nothing new, as in life.
        if number % 10 == 0 {
            tags.rotate_left(1);
            store.put_status(&vec![b' '; 10_000]).unwrap();
        }
        store.put_images(vec![((number % 30).to_string(), image(&tags, at(number)))]).unwrap();
    };
    (0..CYCLES / 4).for_each(&mut cycle);
    let quarter = size();
    (CYCLES / 4..CYCLES).for_each(&mut cycle);
    assert!(size() <= quarter.max(4 << 20), "{quarter} bytes became {}", size());
}
