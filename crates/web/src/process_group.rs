//! Programs that are asked for logins, and all that they start.

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// A program and the processes that it has started. They end together when this is dropped, unless it was detached.
#[derive(Debug)]
pub struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    /// Makes a command begin a group of its own, with itself as the leader.
    pub fn lead(command: &mut Command) {
        command.process_group(0).kill_on_drop(true);
    }

    /// Takes charge of what was started by such a command.
    #[must_use]
    pub fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// Leaves alone what is still running, as a daemon that keeps a login for a while.
    pub fn detach(mut self) {
        self.0 = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // That all of them have ended already is what is wanted.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}
