//! Child processes that end with the value that holds them, and the wait until a server answers.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::world::World;

/// How long a server may take until it answers.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// How long to wait between two attempts to connect.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(10);

/// How often another port is tried when somebody else was faster.
const PORT_ATTEMPTS: usize = 5;

/// A running child process with all that it has started, killed on drop. A `git http-backend` that fcgiwrap leaves behind in the
/// middle of a request would wait for the rest of it for ever, at full speed.
pub(crate) struct Server(Child);

impl Server {
    /// Starts a program; both its streams go to `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("cannot start {}: {error}; tests/run installs it", command.get_program().display())
        });
        Self(child)
    }

    fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl From<Child> for Server {
    fn from(child: Child) -> Self {
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its group has its number, unless somebody else started it. It may have ended by itself; then there is nothing left to do.
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server that has to be told its port, and waits until it answers there.
///
/// The port was free a moment ago. When another process took it since, the server ends and the next port is tried.
pub(crate) fn listen(log: &Path, mut command: impl FnMut(u16) -> Command) -> (Server, u16) {
    for _ in 0..PORT_ATTEMPTS {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut server = Server::start(command(port).stdin(Stdio::null()), log);
        if answers(&mut server, port) {
            return (server, port);
        }
    }
    panic!("no server answered: {}", std::fs::read_to_string(log).unwrap_or_default());
}

/// The processes of a group that run, by name.
fn running(group: u32) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((name, rest)) = stat.rsplit_once(") ") else { continue };
        let words: Vec<&str> = rest.split(' ').collect();
        // State, parent, group.
        if words[0] != "Z" && words[2] == group.to_string() {
            found.push(name.split_once('(').unwrap().1.to_owned());
        }
    }
    found
}

fn until(what: &str, group: u32, is_so: impl Fn(&[String]) -> bool) {
    let deadline = Instant::now() + READY_WITHIN;
    while !is_so(&running(group)) {
        assert!(Instant::now() < deadline, "{what}: {:?}", running(group));
        std::thread::sleep(BETWEEN_ATTEMPTS);
    }
}

/// What a server has started, and what that has started, would otherwise stay behind for ever.
#[test]
fn a_server_ends_with_all_that_it_has_started() {
    let world = World::new();
    let mut command = world.command("sh");
    command.args(["-c", "sleep 600 & (sleep 600 & sh -c 'sleep 600; true') & wait"]);
    let server = Server::start(&mut command, &world.path("log"));
    let group = server.0.id();
    let sleep = |running: &[String]| running.iter().filter(|name| *name == "sleep").count();
    until("three of them sleep", group, |running| sleep(running) == 3);
    drop(server);
    until("nothing runs", group, <[String]>::is_empty);
}

fn answers(server: &mut Server, port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let deadline = Instant::now() + READY_WITHIN;
    while Instant::now() < deadline && server.is_running() {
        if TcpStream::connect_timeout(&address, BETWEEN_ATTEMPTS).is_ok() {
            // Whoever answered is ours only if ours did not fail to bind.
            std::thread::sleep(BETWEEN_ATTEMPTS);
            return server.is_running();
        }
        std::thread::sleep(BETWEEN_ATTEMPTS);
    }
    false
}
