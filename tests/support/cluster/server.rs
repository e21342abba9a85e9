//! etcd and kube-apiserver: started, killed, frozen, put back.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tempfile::TempDir;

use super::audit::{self, Asked};
use super::identity::{self, Certificates};
use super::keeper::Keeper;
use super::manifest::Manifest;
use super::process::{Process, program};
use super::wait;

/// Ports are taken from here, below those that the system gives to connections, so that a server that comes back finds its own.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// How often other ports are tried when somebody else was faster.
const ATTEMPTS: usize = 5;

/// The CRDs that a cluster has from the start, in the repository. `TAGWRIGHT_TEST_CRDS` names a folder with others.
const CRDS: &str = "fixtures/cluster/crds";

/// One of the two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    ApiServer,
    Etcd,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::ApiServer => "apiserver",
            Self::Etcd => "etcd",
        }
    }
}

/// A copy of all that etcd had at a moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot(PathBuf);

/// An API server with its etcd; both end with it.
pub(crate) struct Cluster {
    running: Mutex<Running>,
    keeper: Keeper,
    pub(super) certificates: Certificates,
    ports: Ports,
    snapshots: AtomicU16,
    folder: TempDir,
}

/// The API server first, so that it ends first: without etcd it would wait for it.
struct Running {
    apiserver: Option<Process>,
    etcd: Option<Process>,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    apiserver: u16,
    etcd: u16,
    peers: u16,
}

impl Cluster {
    /// The cluster that all tests of a process share; it has the [`CRDS`].
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// A cluster of one's own, with the [`CRDS`].
    pub(crate) fn start() -> Self {
        let cluster = Self::bare();
        let crds = Manifest::read(&crds());
        // On a thread of its own, since the caller may be in the middle of a runtime.
        std::thread::scope(|scope| {
            let apply = async { cluster.apply(&crds).await };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            scope.spawn(move || runtime.block_on(apply)).join().unwrap();
        });
        cluster
    }

    /// A cluster of one's own that knows nothing but what every API server knows.
    pub(crate) fn bare() -> Self {
        for _ in 0..ATTEMPTS {
            let folder = tempfile::Builder::new().prefix("tagwright-cluster-").tempdir().unwrap();
            let certificates = Certificates::new();
            certificates.write(folder.path());
            std::fs::write(folder.path().join("audit.yaml"), audit::POLICY).unwrap();
            let running = Mutex::new(Running { apiserver: None, etcd: None });
            let (keeper, ports) = (Keeper::start(folder.path()), Ports::free());
            let cluster = Self { running, keeper, certificates, ports, snapshots: AtomicU16::new(0), folder };
            cluster.launch(Part::Etcd);
            cluster.launch(Part::ApiServer);
            if cluster.gets_ready() {
                return cluster;
            }
            if cluster.log(Part::Etcd).contains("address already in use")
                || cluster.log(Part::ApiServer).contains("address already in use")
            {
                continue;
            }
            panic!(
                "the API server does not get ready:\n{}\n{}",
                tail(&cluster.log(Part::Etcd)),
                tail(&cluster.log(Part::ApiServer))
            );
        }
        panic!("no free ports after {ATTEMPTS} attempts");
    }

    /// `https://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address())
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.apiserver)
    }

    /// What a server has written, for whoever wonders.
    pub(crate) fn log(&self, part: Part) -> String {
        std::fs::read_to_string(self.path(&format!("{}.log", part.name()))).unwrap_or_default()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The certificate authority of the API server, PEM.
    pub(crate) fn authority(&self) -> PathBuf {
        self.path("ca.crt")
    }

    /// The text of a kubeconfig for a token, at this address: the [API server's](Self::url) or that of a line to it.
    pub(crate) fn kubeconfig(&self, url: &str, token: &str, namespace: &str) -> String {
        identity::kubeconfig(url, &self.authority(), token, namespace)
    }

    /// The text of a kubeconfig for whoever may do everything.
    pub(crate) fn admin_kubeconfig(&self) -> String {
        self.kubeconfig(&self.url(), identity::ADMIN, "default")
    }

    /// A client with a token, at this address.
    pub(crate) async fn client(&self, url: &str, token: &str) -> Client {
        let kubeconfig = Kubeconfig::from_yaml(&self.kubeconfig(url, token, "default")).unwrap();
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        // A refusal is a refusal, and not tried again for minutes.
        config.default_retry = false;
        Client::try_from(config).unwrap()
    }

    /// A client that may do everything. A client lives as long as the runtime that it was made in.
    pub(crate) async fn admin(&self) -> Client {
        self.client(&self.url(), identity::ADMIN).await
    }

    /// A client that may do nothing.
    pub(crate) async fn nobody(&self) -> Client {
        self.client(&self.url(), identity::NOBODY).await
    }

    /// What a user has asked for so far, in the order of the answers. `system:serviceaccount:NAMESPACE:NAME` is a ServiceAccount.
    pub(crate) fn asked_by(&self, user: &str) -> Vec<Asked> {
        let mut asked = self.asked();
        asked.retain(|asked| asked.user == user);
        asked
    }

    /// What everybody has asked for.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        audit::read(&self.path("audit.log"))
    }

    /// Kills a server at once.
    pub(crate) fn kill(&self, part: Part) {
        let mut running = self.running();
        drop(running.slot(part).take());
        self.keeper.note(part.name(), None);
    }

    /// Stops a server in the middle of what it does; connections stay, and nobody is answered.
    pub(crate) fn freeze(&self, part: Part) {
        self.running().slot(part).as_ref().unwrap().freeze();
    }

    /// Lets a frozen server go on.
    pub(crate) fn thaw(&self, part: Part) {
        self.running().slot(part).as_ref().unwrap().signal("CONT");
    }

    /// Starts a server that was killed, without a wait.
    pub(crate) fn launch(&self, part: Part) {
        let mut command = match part {
            Part::Etcd => self.etcd(),
            Part::ApiServer => self.apiserver(),
        };
        let process = Process::start(&mut command, &self.path(&format!("{}.log", part.name())));
        self.keeper.note(part.name(), Some(process.id()));
        *self.running().slot(part) = Some(process);
    }

    /// Starts whichever server was killed, and waits until requests are answered.
    pub(crate) fn bring_back(&self) {
        for part in [Part::Etcd, Part::ApiServer] {
            let runs = self.running().slot(part).is_some();
            if !runs {
                self.launch(part);
            }
        }
        assert!(self.gets_ready(), "the API server does not come back:\n{}", tail(&self.log(Part::ApiServer)));
    }

    /// Kills both servers, and brings them back.
    pub(crate) fn restart(&self) {
        self.kill(Part::ApiServer);
        self.kill(Part::Etcd);
        self.bring_back();
    }

    /// Copies what etcd has. It stands still meanwhile, so that the copy is what a machine would find that lost its power.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let copy = self.path(&format!("snapshot-{}", self.snapshots.fetch_add(1, Ordering::Relaxed)));
        self.freeze(Part::Etcd);
        copy_folder(&self.path("data"), &copy);
        self.thaw(Part::Etcd);
        Snapshot(copy)
    }

    /// Puts a snapshot in the place of what etcd has, and brings both servers back: what was written since is gone, and
    /// resourceVersions are given a second time.
    pub(crate) fn restore(&self, snapshot: &Snapshot) {
        self.kill(Part::ApiServer);
        self.kill(Part::Etcd);
        std::fs::remove_dir_all(self.path("data")).unwrap();
        copy_folder(&snapshot.0, &self.path("data"));
        self.bring_back();
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap()
    }

    fn etcd(&self) -> Command {
        let (clients, peers) = (self.ports.store(), format!("http://127.0.0.1:{}", self.ports.peers));
        let mut command = Command::new(program("etcd"));
        command.current_dir(self.folder.path()).args(["--name", "test", "--data-dir", "data"]);
        command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
        command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
        command.args(["--initial-cluster", &format!("test={peers}")]);
        command
    }

    fn apiserver(&self) -> Command {
        let mut command = Command::new(program("kube-apiserver"));
        command.current_dir(self.folder.path());
        command.args(["--etcd-servers", &self.ports.store(), "--secure-port", &self.ports.apiserver.to_string()]);
        command.args([
            "--bind-address",
            "127.0.0.1",
            "--advertise-address",
            "127.0.0.1",
            "--endpoint-reconciler-type",
            "none",
        ]);
        command.args([
            "--tls-cert-file",
            "server.crt",
            "--tls-private-key-file",
            "server.key",
            "--token-auth-file",
            "tokens.csv",
        ]);
        command.args(["--service-account-issuer", "https://kubernetes.default.svc"]);
        command.args(["--service-account-key-file", "accounts.pub"]);
        command.args(["--service-account-signing-key-file", "accounts.key"]);
        command.args([
            "--authorization-mode",
            "RBAC",
            "--service-cluster-ip-range",
            "10.0.0.0/24",
            "--profiling=false",
        ]);
        command.args(["--audit-policy-file", "audit.yaml", "--audit-log-path", "audit.log"]);
        command
    }

    /// Waits until requests are answered; whether they are.
    fn gets_ready(&self) -> bool {
        wait::until(|| {
            let mut running = self.running();
            let runs = running.apiserver.as_mut().is_some_and(Process::is_running)
                && running.etcd.as_mut().is_some_and(Process::is_running);
            runs.then(|| self.is_ready())
        })
    }

    fn is_ready(&self) -> bool {
        let mut command = Command::new("curl");
        command.args(["--silent", "--max-time", "5", "--noproxy", "*", "--cacert"]).arg(self.authority());
        command.args([
            "--header",
            &format!("Authorization: Bearer {}", identity::ADMIN),
            &format!("{}/readyz", self.url()),
        ]);
        command.output().unwrap().stdout == b"ok"
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill(Part::ApiServer);
        self.kill(Part::Etcd);
    }
}

impl Running {
    const fn slot(&mut self, part: Part) -> &mut Option<Process> {
        match part {
            Part::ApiServer => &mut self.apiserver,
            Part::Etcd => &mut self.etcd,
        }
    }
}

impl Ports {
    /// Ports that nobody listens on.
    fn free() -> Self {
        Self { apiserver: free_port(), etcd: free_port(), peers: free_port() }
    }

    /// Where etcd is.
    fn store(self) -> String {
        format!("http://127.0.0.1:{}", self.etcd)
    }
}

/// The folder of the CRDs; the tests of a crate begin in a folder of the repository.
fn crds() -> PathBuf {
    if let Some(folder) = std::env::var_os("TAGWRIGHT_TEST_CRDS") {
        return folder.into();
    }
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join(CRDS));
    folders.find(|folder| folder.is_dir()).unwrap()
}

fn free_port() -> u16 {
    // Each process begins elsewhere, and takes one after the other from there.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let count = PORTS.end - PORTS.start;
    let begin = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(count)).unwrap();
    for _ in 0..count {
        let port = PORTS.start + (begin + NEXT.fetch_add(1, Ordering::Relaxed) % count) % count;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

/// Copies a folder with its holes: etcd reserves much more than it writes.
fn copy_folder(from: &Path, to: &Path) {
    let copied = Command::new("cp").args(["-R", "--sparse=always", "--"]).args([from, to]).status().unwrap();
    assert!(copied.success(), "cp {}", from.display());
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
