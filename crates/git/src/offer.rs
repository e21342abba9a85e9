//! What remotes can be asked in version 2 of the protocol, remembered by the process and kept in their mirrors, so that neither it
//! nor the next one need ask for that first. It is a hint: who is wrong about it finds out, and begins at the beginning.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::capabilities::Capabilities;
use super::store::replace;

/// The file of the mirror.
const FILE: &str = "tagwright-offer";

/// The most bytes that are read of it.
const MAX_BYTES: u64 = 1_000;

/// The most remotes that are remembered; beyond that, all are forgotten.
const MAX_REMEMBERED: usize = 10_000;

/// What remotes offered the last time, by the folders of their mirrors.
#[derive(Default)]
pub(super) struct Offers(Mutex<HashMap<PathBuf, Capabilities>>);

impl Offers {
    /// What the remote of a mirror offered the last time.
    pub(super) async fn read(&self, mirror: &Path) -> Option<Capabilities> {
        if let Some(known) = self.lock().get(mirror) {
            return Some(known.clone());
        }
        let path = mirror.join(FILE);
        let read = tokio::task::spawn_blocking(move || Capabilities::of_note(&text(&path)?));
        read.await.ok().flatten()
    }

    /// Takes down what the remote offers, in its mirror as well if that is there. That it cannot be written costs a request,
    /// nothing else.
    pub(super) async fn note(&self, mirror: &Path, offered: &Capabilities) {
        let Some(note) = offered.note() else { return };
        self.remember(mirror, offered.clone());
        let mirror = mirror.to_owned();
        let write = move || {
            let path = mirror.join(FILE);
            if mirror.exists() && text(&path).as_ref() != Some(&note) {
                let _unsaved = replace(&path, note.as_bytes());
            }
        };
        let _unsaved = tokio::task::spawn_blocking(write).await;
    }

    /// Forgets what turned out to be wrong.
    pub(super) async fn forget(&self, mirror: &Path) {
        self.lock().remove(mirror);
        let _absent = tokio::fs::remove_file(mirror.join(FILE)).await;
    }

    fn remember(&self, mirror: &Path, offered: Capabilities) {
        let mut known = self.lock();
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        known.insert(mirror.to_owned(), offered);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Capabilities>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text(path: &Path) -> Option<String> {
    // What is no file may never end.
    fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}
