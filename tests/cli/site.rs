//! A registry and Git remotes for one test, and the configuration that leads there.

use std::ops::Deref;

use tokio::runtime::Runtime;

use crate::registry::{Registry, World as Listed};

/// A simulated registry that answers while the test waits for the binary.
pub(crate) struct Live {
    registry: Registry,
    /// Ends the registry's tasks when dropped, so it comes last.
    _runtime: Runtime,
}

impl Live {
    pub(crate) fn start(world: Listed) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let registry = runtime.block_on(Registry::start(world));
        Self { registry, _runtime: runtime }
    }
}

impl Deref for Live {
    type Target = Registry;

    fn deref(&self) -> &Registry {
        &self.registry
    }
}
