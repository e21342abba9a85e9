//! Keys that are in use, so that none is opened twice; and the last ones that could not be.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use access::{Distinct, ExposeSecret as _, Fingerprint, Marks, Secret};

use crate::{Format, Key, Problem};

/// How many are remembered. Those that nobody uses any more go first; then all of them.
const MAX_REMEMBERED: usize = 1_000;

/// What came of opening a key. A key lives only as long as somebody has it.
type Opened = Result<Weak<Key>, Problem>;

static OPENED: LazyLock<Mutex<HashMap<Fingerprint, Opened>>> = LazyLock::new(Mutex::default);

/// What a key is opened with.
struct With<'a>(Format, &'a Secret, Option<&'a Secret>);

impl Distinct for With<'_> {
    fn mark(&self, marks: &mut Marks) {
        let Self(format, key, passphrase) = self;
        match format {
            Format::OpenPgp => "openpgp".mark(marks),
            Format::Ssh => "ssh".mark(marks),
        }
        key.mark(marks);
        passphrase.mark(marks);
    }
}

/// Opens a key with `read`, unless that is known already.
pub(crate) fn opened(
    format: Format,
    key: &Secret,
    passphrase: Option<&Secret>,
    read: impl FnOnce(Format, &str, Option<&str>) -> Result<Key, Problem>,
) -> Result<Arc<Key>, Problem> {
    let id = With(format, key, passphrase).fingerprint();
    match OPENED.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
        Some(Err(problem)) => return Err(problem.clone()),
        Some(Ok(known)) => {
            if let Some(key) = known.upgrade() {
                return Ok(key);
            }
        }
        None => {}
    }
    // Others are not kept waiting by a slow passphrase; two at once that open the same key both do.
    let read = read(format, key.expose_secret(), passphrase.map(|it| it.expose_secret())).map(Arc::new);
    let mut all = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() >= MAX_REMEMBERED {
        all.retain(|_, opened| opened.as_ref().is_ok_and(|key| key.strong_count() > 0));
    }
    if all.len() >= MAX_REMEMBERED {
        all.clear();
    }
    all.insert(id, read.as_ref().map(Arc::downgrade).map_err(Clone::clone));
    read
}
