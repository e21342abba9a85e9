//! A registry and a Git remote for one test, and the configuration that leads there.

use std::ops::Deref;

use tokio::runtime::Runtime;

use crate::registry::{Registry, World as Listed};
use crate::remote::Remote;
use crate::world::{Run, World};

/// A simulated registry that answers while the test waits for the binary.
pub(crate) struct Live {
    registry: Registry,
    /// Ends the registry's tasks when dropped, so it comes last.
    _runtime: Runtime,
}

impl Live {
    pub(crate) fn start(world: Listed) -> Self {
        let runtime = background();
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

/// A runtime whose tasks go on while the test waits for a child process.
pub(crate) fn background() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// The file that automations of the tests change.
pub(crate) const FILE: &str = "clusters/shop.yaml";

/// A registry, a bare repository whose `main` has one file with markers, and a world for the binary.
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) registry: Live,
    pub(crate) remote: Remote,
}

impl Site {
    /// A site with `team/app` at these tags. `REGISTRY` stands for the registry's host in the file and in configurations,
    /// `REMOTE` for the path of the repository.
    pub(crate) fn new(tags: &[&str], file: &str) -> Self {
        Self::with(Listed::with("team/app", tags.iter().copied()), file)
    }

    pub(crate) fn with(listed: Listed, file: &str) -> Self {
        let registry = Live::start(listed);
        let file = file.replace("REGISTRY", &registry.host());
        let remote = Remote::with(&[(FILE, &file)]);
        Self { world: World::new(), registry, remote }
    }

    /// Writes a file of the configuration.
    pub(crate) fn configure(&self, name: &str, text: &str) {
        let text = text.replace("REGISTRY", &self.registry.host()).replace("REMOTE", &self.remote.path());
        self.world.write(&format!("config/{name}"), text);
    }

    /// `run --once` on the configuration, with more arguments.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        let all = ["run", "--once", "--config", "config"].iter().chain(arguments);
        self.masked(self.world.run(all))
    }

    /// Puts placeholders in place of what differs from run to run.
    pub(crate) fn masked(&self, run: Run) -> Run {
        let hash = self.remote.at("main");
        run.masked(&self.registry.host(), "REGISTRY")
            .masked(&self.remote.path(), "REMOTE")
            .masked(&hash, "HASH")
            .masked(&hash[..7], "SHORT")
    }

    /// The marked file at the head of a branch, with placeholders.
    pub(crate) fn file(&self, branch: &str) -> String {
        self.remote.show(&format!("{branch}:{FILE}")).replace(&self.registry.host(), "REGISTRY")
    }

    /// What git says of the newest commit of a branch, in a format of `git log`.
    pub(crate) fn log(&self, branch: &str, format: &str) -> String {
        let format = format!("--format={format}");
        crate::remote::git(&self.remote.bare(), &["log", "-1", &format, branch])
            .replace(&self.registry.host(), "REGISTRY")
    }

    /// How many commits a branch has.
    pub(crate) fn commits(&self, branch: &str) -> usize {
        crate::remote::git(&self.remote.bare(), &["rev-list", "--count", branch]).trim().parse().unwrap()
    }
}

/// A file with a marker for `default:app`.
pub(crate) const SHOP: &str = "# The shop
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: prod}
spec:
    template:

        image:   'REGISTRY/team/app:1.0.0'   # {\"$imagepolicy\": \"default:app\"}
";

/// A native automation `default/NAME` with one policy `POLICY`, with lines added to `spec.git` and to the image.
pub(crate) fn native(name: &str, policy: &str, git: &str, image: &str) -> String {
    format!(
        "apiVersion: tagwright.dev/v1alpha1
kind: ImageAutomation
metadata: {{name: {name}, namespace: default}}
spec:
  git:
    url: REMOTE
    {git}
  images:
    - name: {policy}
      image: REGISTRY/team/app
      policy: {{semver: {{range: 1.x}}}}
      {image}
"
    )
}
