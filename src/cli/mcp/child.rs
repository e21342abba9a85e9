//! Commands of this program as child processes, for their JSON: they write to standard output, which is the protocol's here.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use web::ProcessGroup;

use super::question::Answer;
use crate::failure::{Context, Failure, Kind, Result};

/// How long a command may take: registries and remotes are asked.
const DEADLINE: Duration = Duration::from_secs(120);

/// The longest document of a command, in bytes.
const MAX_DOCUMENT: u64 = 32 << 20;

/// The longest talk of a command beside it, in bytes.
const MAX_TALK: u64 = 16 << 10;

/// Runs a command that prints a JSON document; what it says beside that is told, too.
pub(super) async fn document(arguments: Vec<OsString>) -> Result<Answer> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(program);
    command.arg("--color=never").args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    ProcessGroup::lead(&mut command);
    let mut child = command.spawn().context("cannot start this program")?;
    let group = ProcessGroup::of(&child);
    let (out, talk) = (child.stdout.take(), child.stderr.take());
    let work = async {
        let (out, talk) = tokio::join!(read(out, MAX_DOCUMENT), read(talk, MAX_TALK));
        Ok::<_, std::io::Error>((out?, talk?, child.wait().await?))
    };
    let ended = tokio::time::timeout(DEADLINE, work).await;
    drop(group);
    let (out, talk, status) = match ended {
        Ok(ended) => ended.context("cannot read what this program says")?,
        Err(_) => {
            let message = format!("this takes longer than {} seconds", DEADLINE.as_secs());
            return Err(Failure::new(Kind::Transient, message));
        }
    };
    let talk = words::lines(String::from_utf8_lossy(&talk).trim());
    match serde_json::from_slice::<Value>(&out) {
        Ok(document) => Ok(Answer { document, talk, is_whole: status.success() }),
        Err(_) if out.len() as u64 > MAX_DOCUMENT => Err(Failure::new(Kind::Denied, "the answer is too long")),
        Err(_) if talk.is_empty() => Err(Failure::new(Kind::Internal, format!("this program ended with {status}"))),
        Err(_) => {
            let (what, hint) =
                talk.split_once("\n  hint: ").map_or((talk.as_str(), None), |(what, hint)| (what, Some(hint)));
            Err(Failure::new(Kind::Denied, what.trim_start_matches("error: ")).with_hint(hint))
        }
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        (&mut stream).take(most + 1).read_to_end(&mut bytes).await?;
        // It is read to its end all the same, so that the command can end.
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    }
    Ok(bytes)
}
