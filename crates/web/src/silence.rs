//! Why no answer came, in the words of an operator.

use std::error::Error;
use std::io;

/// Returns the innermost reason of a failure; the outer ones only say that there was one.
#[must_use]
pub fn reason(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    words::system(&innermost.to_string())
}

/// The reasons for which no answer comes that have to do with the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// The name of the host leads nowhere.
    UnknownHost,
    /// Nobody listens there, or a firewall says so.
    Refused,
    /// It has another reason.
    Otherwise,
}

impl Unreachable {
    /// What a failed request is about.
    #[must_use]
    pub fn of(error: &reqwest::Error) -> Self {
        match () {
            () if looked_up(&reason(error)).is_some() => Self::UnknownHost,
            () if is_refused(error) => Self::Refused,
            () => Self::Otherwise,
        }
    }
}

/// What the standard library says first where a name cannot be looked up; there is no kind of errors for it.
const LOOKUP: &str = "failed to lookup address information";

/// The words for a name that cannot be looked up, if that is the reason.
fn looked_up(reason: &str) -> Option<String> {
    let system = reason.strip_prefix(LOOKUP)?.trim_start_matches(':').trim();
    Some(match system {
        "Name or service not known" | "Name does not resolve" | "nodename nor servname provided, or not known" => {
            "no host of that name is known".to_owned()
        }
        _ => format!("the name of the host cannot be looked up ({system})"),
    })
}

/// Whether the system said that nobody listens.
fn is_refused(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            return true;
        }
        next = error.source();
    }
    false
}

/// Says why a request had no answer, or half of one, without its address.
#[must_use]
pub fn silence(error: reqwest::Error) -> String {
    let is_plain = error.url().is_some_and(|url| url.scheme() == "http");
    let reason = match is_closed(&error) {
        _ if error.is_timeout() => "it took too long to answer",
        true if error.is_body() || error.is_decode() => "it broke the connection off in the middle of its answer",
        true if is_plain => "it closed the connection without an answer, as one may that speaks TLS (https://)",
        true => "it closed the connection without an answer",
        false => {
            let reason = reason(&error.without_url());
            return looked_up(&reason).unwrap_or(reason);
        }
    };
    reason.to_owned()
}

/// Whether the other side ended a connection before it said anything.
fn is_closed(error: &reqwest::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        let is_early = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message);
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if is_early || matches!(kind, Some(BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_name_that_leads_nowhere_is_told_in_words() {
        // No resolver asks for a name with a part as long as this one.
        let url = format!("http://{}.example/", "x".repeat(64));
        let error = reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap_err();
        assert_eq!(Unreachable::of(&error), Unreachable::UnknownHost, "{error:?}");
        assert!(silence(error).contains("host"));
        let words = |system: &str| looked_up(&format!("{LOOKUP}: {system}")).unwrap();
        assert_eq!(words("Name or service not known"), "no host of that name is known");
        assert_eq!(
            words("Temporary failure in name resolution"),
            "the name of the host cannot be looked up (Temporary failure in name resolution)"
        );
    }
}
