//! `tagwright run` without `--once`: a process that works until it is told to stop.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tagwright_core::automation::Automation;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::watch::{Fingerprint, LOOK, Watch};
use super::{Settings, clients};
use crate::cli::{Ending, at, streams};
use crate::config::{self, Sources};
use crate::failure::{Context, Failure, Kind, Result};
use crate::run::Edges;
use crate::schedule::{self, Bot, Handle, Trigger};
use crate::server::Server;
use crate::store::{self, Opened, Store};

/// How long is waited for what cannot be stopped before the process exits.
const EXIT_WAIT: Duration = Duration::from_secs(1);

/// Works until it is told to stop.
pub(super) fn run(settings: &Settings, grace: Duration, listen: Option<SocketAddr>) -> Result<Ending> {
    let runtime = crate::cli::runtime()?;
    let ending = runtime.block_on(serve(settings, grace, listen));
    // What hangs in the system must not keep the process.
    runtime.shutdown_timeout(EXIT_WAIT);
    ending
}

async fn serve(settings: &Settings, grace: Duration, listen: Option<SocketAddr>) -> Result<Ending> {
    let signals = Signals::new()?;
    let watch = Watch::new(Fingerprint::of(&settings.sources));
    let automations = load(&settings.sources)?;
    let folder = at::folder(settings.data_dir.as_deref())?;
    let (registry, git) = clients(settings, folder.clone())?;
    let store = open(&folder)?;
    let server = Server::bind(&folder, listen).await?;
    let count = automations.len();
    let settings_of_bot = schedule::Settings { grace, ..schedule::Settings::default() };
    let (bot, handle) = Bot::new(Edges { registry, git, store }, automations, settings_of_bot);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        automations = count,
        data_dir = %folder.display(),
        listen = server.address().map(tracing::field::display),
        "started"
    );
    let bot = tokio::spawn(bot.run());
    // What the bot is asked while it stops is answered, too.
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(handle.clone(), async { drop(stopped.await) }));
    let ending = attend(bot, handle, signals, watch, &settings.sources).await;
    drop(stop);
    let _ = serving.await;
    Ok(ending)
}

/// Reads the configuration, which must have something to do.
fn load(sources: &Sources) -> Result<Vec<Arc<Automation>>> {
    let configuration = config::load(sources)?;
    for notice in &configuration.notices {
        streams::sentence("note", &notice.to_string());
    }
    super::something_to_do(sources, &configuration)?;
    Ok(configuration.automations)
}

/// Opens the store; there is one bot for each data directory.
fn open(folder: &Path) -> Result<Store> {
    match Store::open(folder) {
        Opened::Ready { store, notice } => {
            if let Some(notice) = notice {
                tracing::warn!(%notice, "the state of earlier runs cannot be used");
            }
            Ok(store)
        }
        Opened::InUse { path } => {
            let who = holder(folder).map_or_else(String::new, |process| format!(" (process {process})"));
            let message = format!("another tagwright{who} uses {}", path.display());
            Err(Failure::usage(message, "stop it, or name another folder with `--data-dir`"))
        }
    }
}

/// The process that holds a folder's lock, where the system tells.
fn holder(folder: &Path) -> Option<u32> {
    let inode = std::fs::metadata(folder.join(store::LOCK)).ok()?.ino().to_string();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    // 1: FLOCK  ADVISORY  WRITE 4242 fd:01:1234567 0 EOF
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (process, file) = (words.get(4)?, words.get(5)?);
        (file.rsplit(':').next() == Some(inode.as_str())).then(|| process.parse().ok())?
    })
}

/// The signals that a bot listens to.
struct Signals {
    hangup: Signal,
    user: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen to signals");
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            user: listen(SignalKind::user_defined1())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }
}

/// Attends to signals and files until the bot has ended.
async fn attend(
    mut bot: JoinHandle<()>,
    handle: Handle,
    mut signals: Signals,
    watch: Watch,
    sources: &Sources,
) -> Ending {
    let (again, asked) = tokio::sync::mpsc::channel(1);
    let reader = tokio::spawn(read(handle.clone(), watch, sources.clone(), asked));
    let mut stopping = false;
    let ending = loop {
        let stop = tokio::select! {
            ended = &mut bot => break ending(ended),
            _ = signals.terminate.recv() => true,
            _ = signals.interrupt.recv() => true,
            _ = signals.hangup.recv() => {
                tracing::info!("told to read the configuration again");
                // One that waits is as good as two.
                let _ = again.try_send(());
                false
            }
            _ = signals.user.recv() => {
                tracing::info!("told to look at everything now");
                handle.trigger(&Trigger::All);
                false
            }
        };
        if stop && stopping {
            tracing::warn!("told to stop twice, and exits at once");
            break Ending::Failed(Kind::Transient);
        }
        if stop {
            stopping = true;
            handle.shutdown();
        }
    };
    reader.abort();
    ending
}

fn ending(ended: Result<(), tokio::task::JoinError>) -> Ending {
    match ended {
        Ok(()) => Ending::Done,
        Err(error) => {
            tracing::error!(%error, "the main loop broke");
            Ending::Failed(Kind::Internal)
        }
    }
}

/// Reads the configuration again whenever its files have changed or somebody asks for it.
async fn read(handle: Handle, mut watch: Watch, sources: Sources, mut asked: tokio::sync::mpsc::Receiver<()>) {
    loop {
        let asked = tokio::select! {
            _ = asked.recv() => true,
            () = tokio::time::sleep(LOOK) => false,
        };
        let look = sources.clone();
        let Ok(fingerprint) = tokio::task::spawn_blocking(move || Fingerprint::of(&look)).await else { continue };
        if !watch.look(fingerprint) && !asked {
            continue;
        }
        watch.read(fingerprint);
        let files = sources.clone();
        match tokio::task::spawn_blocking(move || load(&files)).await {
            Ok(Ok(automations)) => {
                tracing::info!(automations = automations.len(), "uses the new configuration");
                handle.configure(automations);
            }
            Ok(Err(failure)) => handle.configuration_failed(&failure),
            Err(error) => {
                let what = format!("reading the configuration broke: {error}");
                handle.configuration_failed(&Failure::new(Kind::Internal, what));
            }
        }
    }
}
