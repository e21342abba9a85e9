//! git's credential helpers, asked through `git credential`.

use std::time::Duration;

use access::{ExposeSecret, Login};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use web::{ProcessGroup, authority};

use super::command;
use super::settings::Settings;

/// How long a helper may think.
const DEADLINE: Duration = Duration::from_secs(30);

/// The most bytes taken from a helper.
const MAX_ANSWER: u64 = 64 * 1024;

/// Asks the helpers for a login. None when there is no git, no helper, or none that knows.
pub(super) async fn fill(settings: &Settings, url: &url::Url, username: Option<&str>) -> Option<Login> {
    let mut question = place(url)?;
    if let Some(username) = username.filter(|name| !name.contains('\n')) {
        question.push_str(&format!("username={username}\n"));
    }
    let answer = run(settings, "fill", &question).await?;
    let value = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    Some(Login { username: value("username")?.to_owned(), password: SecretString::from(value("password")?) })
}

/// Tells the helpers that a login of theirs worked.
pub(super) async fn approve(settings: &Settings, url: &url::Url, login: &Login) {
    tell(settings, "approve", url, login).await;
}

/// Tells the helpers that a login of theirs was refused.
pub(super) async fn reject(settings: &Settings, url: &url::Url, login: &Login) {
    tell(settings, "reject", url, login).await;
}

async fn tell(settings: &Settings, action: &'static str, url: &url::Url, login: &Login) {
    if let Some(place) = place(url) {
        let password = login.password.expose_secret();
        run(settings, action, &format!("{place}username={}\npassword={password}\n", login.username)).await;
    }
}

/// The attributes that name a remote. A line feed cannot be expressed, and is how answers for other hosts were once stolen.
fn place(url: &url::Url) -> Option<String> {
    let path = url.path().trim_start_matches('/');
    let host = authority(url);
    let text = format!("protocol={}\nhost={host}\npath={path}\n", url.scheme());
    (text.matches('\n').count() == 3).then_some(text)
}

async fn run(settings: &Settings, action: &'static str, question: &str) -> Option<String> {
    let mut child = command::credential(settings, action).spawn().ok()?;
    let group = ProcessGroup::of(&child);
    let (mut stdin, stdout) = (child.stdin.take()?, child.stdout.take()?);
    let talk = async {
        stdin.write_all(question.as_bytes()).await.ok()?;
        stdin.write_all(b"\n").await.ok()?;
        drop(stdin);
        let mut answer = Vec::new();
        stdout.take(MAX_ANSWER + 1).read_to_end(&mut answer).await.ok()?;
        let is_whole = answer.len() as u64 <= MAX_ANSWER;
        (is_whole && child.wait().await.ok()?.success()).then_some(answer)
    };
    let answer = timeout(DEADLINE, talk).await.ok()??;
    // Git's own cache is a process that stays behind on purpose.
    group.detach();
    String::from_utf8(answer).ok()
}
