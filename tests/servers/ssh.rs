//! OpenSSH's sshd with one host key and one authorised key.
//!
//! It is started once per connection, as inetd would, on a listener of the test's own: so there is no port to guess.

use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::process::Server;
use crate::world::{World, text};

/// The passphrase of [`Ssh::locked_key`].
pub(crate) const PASSPHRASE: &str = "open sesame";

/// An ssh server on loopback.
pub(crate) struct Ssh {
    port: u16,
    keys: PathBuf,
    user: String,
    stop: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Ssh {
    pub(crate) fn start(world: &World) -> Self {
        let keys = world.path("ssh");
        std::fs::create_dir(&keys).unwrap();
        for (name, passphrase) in [("host", ""), ("other-host", ""), ("client", ""), ("locked", PASSPHRASE)] {
            let file = keys.join(name);
            let key = ["-q", "-t", "ed25519", "-C", name, "-N", passphrase, "-f", text(&file)];
            world.succeed("ssh-keygen", key);
        }
        let authorised: String = ["client.pub", "locked.pub"].map(|name| read(&keys.join(name))).concat();
        world.write("ssh/authorised", authorised);
        world.write("ssh/config", settings(&keys));

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::new(AtomicBool::new(false));
        let listening = Some(accept(listener, world, Arc::clone(&stop)));
        let user = String::from_utf8(world.succeed("id", ["-un"])).unwrap().trim().to_owned();
        Self { port, keys, user, stop, listening }
    }

    /// The URL of a path of this machine.
    pub(crate) fn url(&self, path: &Path) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", self.user, self.port, text(path))
    }

    /// The authorised private key.
    pub(crate) fn key(&self) -> String {
        read(&self.keys.join("client"))
    }

    /// Another authorised private key, which needs [`PASSPHRASE`].
    pub(crate) fn locked_key(&self) -> String {
        read(&self.keys.join("locked"))
    }

    /// The line of `known_hosts` for this server.
    pub(crate) fn known_hosts(&self) -> String {
        format!("[127.0.0.1]:{} {}", self.port, read(&self.keys.join("host.pub")))
    }

    /// The line of `known_hosts` for a server of this name that has another key.
    pub(crate) fn wrong_known_hosts(&self) -> String {
        format!("[127.0.0.1]:{} {}", self.port, read(&self.keys.join("other-host.pub")))
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // The listener waits for one more connection, and this is it.
        let _ = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

fn accept(listener: TcpListener, world: &World, stop: Arc<AtomicBool>) -> JoinHandle<()> {
    // sshd refuses to start as root without this directory, which Debian makes when its own service starts.
    let _ = std::fs::create_dir_all("/run/sshd");
    let (settings, log) = (world.path("ssh/config"), world.path("ssh.log"));
    let mut command = world.command("/usr/sbin/sshd");
    command.arg("-i").arg("-f").arg(&settings).arg("-E").arg(&log).process_group(0);
    std::thread::spawn(move || {
        let mut sessions = Vec::new();
        for connection in listener.incoming() {
            if stop.load(Ordering::Acquire) {
                break;
            }
            sessions.push(serve(&mut command, OwnedFd::from(connection.unwrap())));
        }
    })
}

/// Starts sshd for one connection: it talks on the socket that is its standard input and output.
fn serve(command: &mut Command, connection: OwnedFd) -> Server {
    let output = Stdio::from(connection.try_clone().unwrap());
    let child = command.stdin(Stdio::from(connection)).stdout(output).stderr(Stdio::null()).spawn();
    Server::from(child.expect("cannot start sshd; tests/run installs it"))
}

fn settings(keys: &Path) -> String {
    format!(
        "HostKey {keys}/host\nAuthorizedKeysFile {keys}/authorised\nStrictModes no\nUsePAM no\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nPrintMotd no\n\
         AcceptEnv GIT_PROTOCOL\n",
        keys = text(keys)
    )
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
