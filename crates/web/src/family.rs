//! Programs that are asked for logins, and all that they start.

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// A program and the processes that it has started. They end together when this is dropped, unless it was let go.
#[derive(Debug)]
pub struct Family(Option<Pid>);

impl Family {
    /// Makes a command begin a family of its own, with itself as the head.
    pub fn found(command: &mut Command) {
        command.process_group(0).kill_on_drop(true);
    }

    /// Takes charge of what was started by such a command.
    #[must_use]
    pub fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// Leaves alone what is still running, as a daemon that keeps a login for a while.
    pub fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        if let Some(head) = self.0 {
            // That all of them have ended already is what is wanted.
            let _ = kill_process_group(head, Signal::KILL);
        }
    }
}
