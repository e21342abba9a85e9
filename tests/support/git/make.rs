//! Servers of other makes, by what they do otherwise than git: what they offer, what they insist on, how they refuse.
//!
//! git does the work behind them. Where each of it comes from is said at the tests that use it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};

use super::{git, git_with};

/// What a make of server does otherwise than git.
#[derive(Default, Clone)]
pub(crate) struct Make {
    /// What it says that it can do for those who fetch; what git can where absent.
    pub(crate) upload: Option<&'static str>,
    /// The same for those who push.
    pub(crate) receive: Option<&'static str>,
    /// A line in front of the references.
    pub(crate) opening: Option<&'static str>,
    /// Bytes in front of everything.
    pub(crate) talk: &'static str,
    /// A word that whoever fetches must name; otherwise the answer is 400 with this text.
    pub(crate) insists: Option<(&'static str, &'static str)>,
    /// Refuses a push with these words, and takes none.
    pub(crate) refuses: Option<Refusal>,
    /// Reports pushes without side band, whatever was asked for.
    pub(crate) is_plain: bool,
}

/// How pushes are refused.
#[derive(Clone)]
pub(crate) struct Refusal {
    /// The words, `unpack` if they are about the pack.
    pub(crate) words: &'static str,
    /// How many pushes are refused.
    pub(crate) left: Arc<AtomicUsize>,
    /// Whether somebody else has moved `main` in that moment.
    pub(crate) moves: bool,
}

impl Refusal {
    pub(crate) fn always(words: &'static str) -> Option<Self> {
        Some(Self { words, left: Arc::new(AtomicUsize::new(usize::MAX)), moves: false })
    }

    /// Somebody else is faster, once.
    pub(crate) fn moved(words: &'static str) -> Option<Self> {
        Some(Self { words, left: Arc::new(AtomicUsize::new(1)), moves: true })
    }
}

impl Make {
    /// What the answer to the question for references becomes.
    pub(crate) async fn advertise(&self, is_push: bool, response: Response) -> Response {
        let (mut parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let offers = if is_push { self.receive } else { self.upload };
        parts.headers.remove("content-length");
        Response::from_parts(parts, Body::from(self.rewritten(&bytes, offers)))
    }

    fn rewritten(&self, bytes: &[u8], offers: Option<&str>) -> Vec<u8> {
        let mut out = self.talk.as_bytes().to_vec();
        let mut sections = 0;
        let mut is_first = true;
        for packet in packets(bytes) {
            let Some(line) = packet else {
                sections += 1;
                out.extend_from_slice(b"0000");
                if sections == 1 {
                    self.opening.iter().for_each(|line| push(&mut out, line.as_bytes()));
                }
                continue;
            };
            match offers.filter(|_| sections == 1 && std::mem::take(&mut is_first)) {
                Some(offers) => {
                    let reference = line.split(|byte| *byte == 0).next().unwrap();
                    push(&mut out, &[reference, b"\0", offers.as_bytes(), b"\n"].concat());
                }
                None => push(&mut out, line),
            }
        }
        out
    }

    /// Looks at a request that is about to be answered by git. An answer where this make gives another.
    pub(crate) async fn post(
        &self,
        bare: &Path,
        is_push: bool,
        request: Request<Body>,
    ) -> Result<Request<Body>, Response> {
        if self.insists.is_none() && self.refuses.is_none() {
            // As it comes: whoever sends it may give it up.
            return Ok(request);
        }
        let (parts, body) = request.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let first = packets(&bytes).next().flatten().unwrap_or_default().to_vec();
        let first = String::from_utf8_lossy(&first).into_owned();
        if let Some((word, text)) = self.insists.filter(|_| !is_push)
            && !first.split_whitespace().any(|named| named == word)
        {
            return Err((StatusCode::BAD_REQUEST, text).into_response());
        }
        if let Some(refusal) = self.refuses.as_ref().filter(|_| is_push)
            && refusal.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok()
        {
            let (command, capabilities) = first.split_once('\0').unwrap();
            if refusal.moves {
                move_main(bare);
            }
            let reference = command.split(' ').nth(2).unwrap();
            let banded = capabilities.contains("side-band-64k");
            let headers = [("content-type", "application/x-git-receive-pack-result")];
            return Err((headers, refusal.report(reference, banded)).into_response());
        }
        Ok(Request::from_parts(parts, Body::from(bytes)))
    }

    /// What the answer to a push becomes.
    pub(crate) async fn report(&self, response: Response) -> Response {
        if !self.is_plain {
            return response;
        }
        let (mut parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let plain: Vec<u8> =
            packets(&bytes).flatten().filter_map(|packet| packet.strip_prefix(b"\x01")).flatten().copied().collect();
        parts.headers.remove("content-length");
        Response::from_parts(parts, Body::from(plain))
    }
}

impl Refusal {
    fn report(&self, reference: &str, banded: bool) -> Vec<u8> {
        let mut report = Vec::new();
        push(&mut report, b"unpack ok\n");
        push(&mut report, format!("ng {reference} {}\n", self.words).as_bytes());
        report.extend_from_slice(b"0000");
        if !banded {
            return report;
        }
        let mut out = Vec::new();
        push(&mut out, &[b"\x01", report.as_slice()].concat());
        out.extend_from_slice(b"0000");
        out
    }
}

/// Puts somebody else's commit on `main`.
fn move_main(bare: &Path) {
    git(bare, &["update-ref", "refs/heads/main", &commit_on_main(bare)]);
}

/// Makes a commit on top of `main` that no branch has yet; returns it.
pub(crate) fn commit_on_main(bare: &Path) -> String {
    let tree = git(bare, &["rev-parse", "main^{tree}"]);
    git_with(bare, &["commit-tree", tree.trim(), "-p", "main", "-m", "faster"], b"").trim().to_owned()
}

/// The packets of a text; none for a flush. What follows the last of them, such as a pack, is left out.
fn packets(mut bytes: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    std::iter::from_fn(move || {
        let length = usize::from_str_radix(std::str::from_utf8(bytes.get(..4)?).ok()?, 16).ok()?;
        let packet = (length > 0).then(|| &bytes[4..length]);
        bytes = &bytes[length.max(4)..];
        Some(packet)
    })
}

fn push(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(format!("{:04x}", data.len() + 4).as_bytes());
    out.extend_from_slice(data);
}
