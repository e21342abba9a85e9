//! Ends the servers of a process that has ended itself, however that came.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;

/// Reads names and numbers of servers; kills them when nobody is left to write more, and removes their folder.
const SCRIPT: &str = r#"
while read -r name pid; do
  case $name in apiserver) apiserver=$pid ;; etcd) etcd=$pid ;; esac
done
[ -z "$apiserver" ] || kill -KILL "$apiserver"
[ -z "$etcd" ] || kill -KILL "$etcd"
for try in 1 2 3 4 5; do rm -rf -- "$1" && exit; sleep 0.2; done
"#;

/// A child process that outlives this one by a moment. What all tests share is never dropped, and who is killed drops nothing.
pub(super) struct Keeper {
    child: Child,
    input: Mutex<Option<ChildStdin>>,
}

impl Keeper {
    pub(super) fn start(folder: &Path) -> Self {
        let mut command = Command::new("sh");
        // Of a group of its own, so that a Ctrl-C on the terminal is not for it.
        command.args(["-c", SCRIPT, "keeper"]).arg(folder).stdin(Stdio::piped()).process_group(0);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let input = Mutex::new(child.stdin.take());
        Self { child, input }
    }

    /// From now on this server has this number; none: it does not run.
    pub(super) fn note(&self, server: &str, id: Option<u32>) {
        let id = id.map(|id| id.to_string()).unwrap_or_default();
        if let Some(input) = self.input.lock().unwrap().as_mut() {
            writeln!(input, "{server} {id}").unwrap();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.input.lock().unwrap().take());
        let _ = self.child.wait();
    }
}

/// Whoever is killed leaves two servers behind, otherwise.
#[test]
fn a_keeper_ends_the_servers_and_removes_their_folder() {
    let folder = tempfile::tempdir().unwrap().keep();
    std::fs::write(folder.join("data"), "").unwrap();
    let keeper = Keeper::start(&folder);
    let mut servers = ["etcd", "apiserver"].map(|name| {
        let mut gone = Command::new("true").spawn().unwrap();
        keeper.note(name, Some(gone.id()));
        gone.wait().unwrap();
        keeper.note(name, None);
        let server = Command::new("sleep").arg("600").spawn().unwrap();
        keeper.note(name, Some(server.id()));
        server
    });
    drop(keeper);
    for server in &mut servers {
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&server.wait().unwrap()), Some(9));
    }
    assert!(!folder.exists());
}
