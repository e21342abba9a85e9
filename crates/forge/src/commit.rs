//! Commits that a forge makes, and signs: GitHub alone.
//!
//! A tree is made of the one before and of what differs, so that all else keeps its mode and its content, then a commit of it. Without an
//! author it is by whoever asks, and GitHub signs it where that is a GitHub App. No branch is moved: whoever wants one at this commit
//! pushes it there, as any other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use super::exchange::Question;
use super::{Error, Forge, Product};

const WHAT: &str = "a new commit";

/// A file that a commit has otherwise than its parent.
#[derive(Debug, Clone, Copy)]
pub struct File<'f> {
    /// From the root, with `/` between folders.
    pub path: &'f str,
    /// Its mode, as six octal digits: `100644`, `100755`, `120000`.
    pub mode: &'f str,
    /// Its content; none where it goes.
    pub bytes: Option<&'f [u8]>,
}

/// A commit that is to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewCommit<'c> {
    /// Its only parent, a full hash.
    pub parent: &'c str,
    /// The tree of that.
    pub base_tree: &'c str,
    /// The tree that has to come of it.
    pub tree: &'c str,
    /// The message.
    pub message: &'c str,
    /// What it has otherwise than its parent.
    pub files: &'c [File<'c>],
}

/// A commit that was made. No branch has it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its full hash.
    pub id: String,
    /// Why the forge has not signed it, in its own word.
    pub unsigned: Option<String>,
}

impl Forge<'_> {
    /// Has GitHub make a commit as whoever asks.
    ///
    /// # Errors
    /// The forge cannot be asked, does not take the commit, makes another tree of it than the one that is wanted, or is no GitHub.
    pub async fn make(&self, commit: NewCommit<'_>) -> Result<Made, Error> {
        if self.place.product() != Product::GitHub {
            return Err(Error::Unsupported { product: self.place.product().name(), what: "commits that it signs" });
        }
        Box::pin(make(self, commit)).await
    }
}

async fn make(forge: &Forge<'_>, commit: NewCommit<'_>) -> Result<Made, Error> {
    let mut entries = Vec::with_capacity(commit.files.len());
    for file in commit.files {
        let mut entry = json!({ "path": file.path, "mode": file.mode, "type": "blob" });
        match file.bytes.map(std::str::from_utf8) {
            None => entry["sha"] = Value::Null,
            Some(Ok(text)) => entry["content"] = json!(text),
            Some(Err(_)) => entry["sha"] = json!(blob(forge, file.bytes.unwrap_or_default()).await?),
        }
        entries.push(entry);
    }
    let tree = post(forge, "trees", json!({ "base_tree": commit.base_tree, "tree": entries })).await?;
    if tree["sha"].as_str() != Some(commit.tree) {
        let (url, reason) = (forge.place().api().to_string(), "another tree than was sent".to_owned());
        return Err(Error::Malformed { url, reason });
    }
    let body = json!({ "message": commit.message, "tree": commit.tree, "parents": [commit.parent] });
    let made = post(forge, "commits", body).await?;
    let verification = &made["verification"];
    let unsigned = (verification["verified"].as_bool() != Some(true))
        .then(|| web::words::one_line(verification["reason"].as_str().unwrap_or("unsigned"), 60));
    Ok(Made { id: id(forge, &made)?, unsigned })
}

/// Makes a blob of what is no text.
async fn blob(forge: &Forge<'_>, bytes: &[u8]) -> Result<String, Error> {
    let blob = post(forge, "blobs", json!({ "content": STANDARD.encode(bytes), "encoding": "base64" })).await?;
    id(forge, &blob)
}

fn id(forge: &Forge<'_>, object: &Value) -> Result<String, Error> {
    let id = object["sha"].as_str().filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    id.map(str::to_owned).ok_or_else(|| Error::Malformed {
        url: forge.place().api().to_string(),
        reason: "something without the id of an object".to_owned(),
    })
}

async fn post(forge: &Forge<'_>, kind: &str, body: Value) -> Result<Value, Error> {
    let path = forge.place().path();
    let url = forge.place().url(&["repos", &path[0], &path[1], "git", kind]);
    Ok(forge.ask(Question::new(Method::POST, url, WHAT).with(body)).await?.body)
}
