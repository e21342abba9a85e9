//! One running bot: its log as it comes, signals, and its end.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How many lines of the log are kept.
const KEPT_LINES: usize = 20_000;

/// How long a bot may take until it has ended after it was told to.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// A child process; killed on drop.
pub(crate) struct Bot {
    child: Child,
    keeper: Child,
    log: Arc<Log>,
    reader: Option<JoinHandle<()>>,
}

/// What the child has said so far.
#[derive(Default)]
struct Log {
    lines: Mutex<Lines>,
    grown: Condvar,
}

#[derive(Default)]
struct Lines {
    kept: VecDeque<Value>,
    /// How many were there before those that are kept.
    dropped: usize,
    ended: bool,
}

impl Bot {
    /// Starts a command that logs JSON to stderr.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Log::default());
        let (stderr, notes) = (child.stderr.take().unwrap(), Arc::clone(&log));
        let reader = Some(std::thread::spawn(move || notes.read(stderr)));
        let keeper = keeper(child.id());
        Self { child, keeper, log, reader }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The lines of the log that are still kept. What is no JSON is a line with a `message` alone.
    pub(crate) fn log(&self) -> Vec<Value> {
        self.log.lines.lock().unwrap().kept.iter().cloned().collect()
    }

    /// How many lines there were so far; a position to wait from.
    pub(crate) fn position(&self) -> usize {
        let lines = self.log.lines.lock().unwrap();
        lines.dropped + lines.kept.len()
    }

    /// Waits for a line after a position; none when the bot has ended or nothing came in time.
    pub(crate) fn wait_for(&self, mut from: usize, within: Duration, is: impl Fn(&Value) -> bool) -> Option<Value> {
        let deadline = Instant::now() + within;
        let mut lines = self.log.lines.lock().unwrap();
        loop {
            let start = from.saturating_sub(lines.dropped);
            if let Some(line) = lines.kept.iter().skip(start).find(|line| is(line)) {
                return Some(line.clone());
            }
            from = lines.dropped + lines.kept.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if lines.ended || left.is_zero() {
                return None;
            }
            lines = self.log.grown.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// What the bot was doing last, by its log: a stage, `idle` after it had ended one, or `start`.
    pub(crate) fn stage(&self) -> String {
        let lines = self.log.lines.lock().unwrap();
        lines.kept.iter().rev().find_map(stage).unwrap_or("start").to_owned()
    }

    /// Warnings, errors and panics.
    pub(crate) fn complaints(&self) -> Vec<Value> {
        let is_one = |line: &Value| match line["level"].as_str() {
            Some(level) => matches!(level, "WARN" | "ERROR"),
            None => line["message"].as_str().is_some_and(|text| text.contains("panicked")),
        };
        self.log().into_iter().filter(is_one).collect()
    }

    /// Sends a signal by its short name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status().unwrap();
        assert!(status.success(), "kill -{name} {}", self.id());
    }

    /// Ends the bot as the kernel does: nothing of it runs any more. Its log is complete afterwards.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.close();
    }

    /// Asks the bot to end, and waits for it.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        let deadline = Instant::now() + ENDS_WITHIN;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.close();
                return status;
            }
            assert!(Instant::now() < deadline, "the bot did not end within {ENDS_WITHIN:?}: {:#?}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Panics with the log when the bot has ended by itself.
    #[track_caller]
    pub(crate) fn is_alive(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            self.close();
            panic!("the bot ended with {status}: {:#?}", self.log());
        }
    }

    /// The bot has ended, and its number may soon be somebody else's.
    fn close(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }
}

/// A process that kills the bot when this one has ended, however that came: who is killed drops nothing.
fn keeper(bot: u32) -> Child {
    let mut keeper = Command::new("sh");
    keeper.args(["-c", "read -r _; kill -KILL \"$1\"", "keeper", &bot.to_string()]);
    // Of a group of its own, so that a Ctrl-C on the terminal is not for it.
    keeper.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn whoever_is_killed_leaves_no_bot_behind() {
    let mut bot = Command::new("sleep").arg("1000").spawn().unwrap();
    let mut keeper = keeper(bot.id());
    // What the kernel does with the descriptors of whoever has ended.
    drop(keeper.stdin.take());
    assert!(keeper.wait().unwrap().success());
    assert_eq!(bot.wait().unwrap().code(), None, "it was killed");
}

/// The stage that a line says has begun, or `idle` when it says that something ended.
pub(crate) fn stage(line: &Value) -> Option<&str> {
    match line["message"].as_str() {
        Some("ran" | "polled") => Some("idle"),
        _ => line["stage"].as_str(),
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

impl Log {
    fn read(&self, stderr: ChildStderr) {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let value = serde_json::from_str(&line).unwrap_or_else(|_| serde_json::json!({ "message": line }));
            let mut lines = self.lines.lock().unwrap();
            lines.kept.push_back(value);
            if lines.kept.len() > KEPT_LINES {
                lines.kept.pop_front();
                lines.dropped += 1;
            }
            self.grown.notify_all();
        }
        self.lines.lock().unwrap().ended = true;
        self.grown.notify_all();
    }
}
