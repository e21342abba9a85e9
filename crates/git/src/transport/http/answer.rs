//! What an answer over HTTP means: the one that was asked for, a refusal, a page for people.

use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Response, StatusCode};
use web::{TlsProblem, words};

use super::Answer;
use super::login::{Attempts, Refusal};
use crate::command::Service;
use crate::error::Error;
use crate::problem::Lack;
use crate::url::percent_decode;

/// The longest content type that an error repeats, in characters.
const MAX_CONTENT_TYPE: usize = 100;

/// How much of the address of a page an error repeats, in characters.
const MAX_PAGE: usize = 200;

/// Where Azure DevOps says why it refuses, percent-encoded; what comes with it is a page.
const SERVICE_ERROR: &str = "x-tfs-serviceerror";

impl Answer {
    /// Whether the remote refuses who asks; None for an answer, and for a failure of another kind.
    pub(super) fn refusal(&self, expected: &str) -> Option<Refusal> {
        match self.response.status() {
            StatusCode::UNAUTHORIZED => Some(Refusal::Unknown),
            _ if self.retry_after.is_some() => None,
            StatusCode::FORBIDDEN => Some(Refusal::Lacking),
            StatusCode::NOT_FOUND | StatusCode::GONE => Some(Refusal::Absent),
            status if status.is_redirection() => Some(Refusal::Lacking),
            status if status.is_success() && content_type(&self.response) != expected => Some(Refusal::Lacking),
            _ => None,
        }
    }

    /// Returns the answer when it is the one that was asked for, and otherwise what it means.
    pub(super) async fn expect(
        self,
        expected: &str,
        service: Service,
        remote: &str,
        login: &Attempts,
    ) -> Result<Response, Error> {
        let Self { response, retry_after, .. } = self;
        let status = response.status();
        let content_type = content_type(&response);
        let (remote, tried) = (remote.to_owned(), login.tried());
        if status.is_success() && retry_after.is_none() {
            return match status {
                _ if content_type == expected => Ok(response),
                // What Azure DevOps answers a login with that has ended.
                StatusCode::NON_AUTHORITATIVE_INFORMATION => {
                    Err(Error::SignIn { remote, page: format!("HTTP status {}", status.as_u16()), tried })
                }
                _ => Err(Error::NotGit { remote, content_type }),
            };
        }
        if let Some(page) = page(&response) {
            return Err(Error::SignIn { remote, page, tried });
        }
        let url = response.url().clone();
        let Said { words, raw } = Said::by(response, &content_type).await;
        let code = status.as_u16();
        Err(match code {
            _ if TlsProblem::is_said(&url, status, &raw) => Error::Untrusted { remote, problem: TlsProblem::Secure },
            // Whatever the status means otherwise, the host wants time.
            _ if retry_after.is_some() => Error::Http { remote, status: code, words, retry_after },
            401 | 403 => {
                let lacks = lack(code, service, login.has_sent());
                Error::Denied { remote, tried, lacks, status: Some(code), words }
            }
            404 | 410 => Error::NotFound { remote, tried, status: code, words },
            407 => Error::ProxyLogin { remote, words },
            _ => Error::Http { remote, status: code, words, retry_after },
        })
    }
}

/// The content type without parameters, fit to be shown.
fn content_type(response: &Response) -> String {
    let value = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    words::one_line(value.split(';').next().unwrap_or_default().trim(), MAX_CONTENT_TYPE)
}

/// The page that an answer leads to; what is asked for there is none of it.
fn page(response: &Response) -> Option<String> {
    let location = response.headers().get(LOCATION).filter(|_| response.status().is_redirection())?;
    let target = response.url().join(location.to_str().ok()?).ok()?;
    Some(words::one_line(&format!("{}{}", web::authority(&target), target.path()), MAX_PAGE))
}

/// What a login would have to be.
const fn lack(status: u16, service: Service, is_sent: bool) -> Lack {
    match (status, is_sent, service) {
        (401, false, _) => Lack::Login,
        (401, true, _) => Lack::Validity,
        (_, false, Service::Upload) => Lack::Nothing,
        (_, false, Service::Receive) => Lack::LoginToPush,
        (_, true, Service::Upload) => Lack::Read,
        (_, true, Service::Receive) => Lack::Push,
    }
}

/// What a server says.
struct Said {
    /// What is shown of it; pages made for browsers are left out.
    words: String,
    /// The beginning of what came.
    raw: Vec<u8>,
}

impl Said {
    async fn by(mut response: Response, content_type: &str) -> Self {
        let reason = response.headers().get(SERVICE_ERROR).and_then(|value| value.to_str().ok());
        let reason = reason.map(|reason| words::clean(percent_decode(reason).as_bytes()));
        let is_text = content_type == "text/plain";
        let mut raw = Vec::new();
        if is_text || response.status() == StatusCode::BAD_REQUEST {
            while let Ok(Some(chunk)) = response.chunk().await {
                words::collect(&mut raw, &chunk);
                if raw.len() >= words::MAX_BYTES {
                    break;
                }
            }
        }
        let words = reason.unwrap_or_else(|| if is_text { words::clean(&raw) } else { String::new() });
        Self { words, raw }
    }
}
