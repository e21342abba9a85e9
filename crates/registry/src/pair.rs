//! `HOST=URL`: how an operator says of a registry where something of it is.

use url::Url;
use web::show;
use web::words::one_line;

/// How much of a text that is no pair is shown, in characters.
const MAX_SHOWN: usize = 300;

/// The authority of a registry in lower case, and an `http` or `https` address without login, query and fragment.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) host: String,
    pub(crate) url: Url,
}

/// A text that is no pair.
#[derive(Debug)]
pub(crate) struct WrongPair {
    /// The text without what may be secret.
    pub(crate) text: String,
    /// What is wrong with it.
    pub(crate) reason: &'static str,
}

impl Pair {
    pub(crate) fn parse(text: &str) -> Result<Self, WrongPair> {
        let wrong = |reason| WrongPair { text: shown(text), reason };
        let (host, address) = text.split_once('=').ok_or_else(|| wrong("expected HOST=URL"))?;
        let (host, address) = (host.trim(), address.trim());
        let is_host = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
        if host.is_empty() || !host.chars().all(is_host) {
            return Err(wrong("expected the host of a registry before '='"));
        }
        let url = Url::parse(address).map_err(|_| wrong("expected a URL after '='"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(wrong("the URL must begin with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("the URL must not hold a login; put it into the Docker configuration"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("the URL must not have a query or a fragment"));
        }
        Ok(Self { host: host.to_ascii_lowercase(), url })
    }
}

/// Returns a text without what may be secret: a login, a path, a query. Where it is no URL at all, the host in front of `=` is what
/// is left to show.
fn shown(text: &str) -> String {
    let (host, address) = text.split_once('=').map_or((text, None), |(host, address)| (host, Some(address)));
    let place = address.map(|address| match Url::parse(address.trim()) {
        Ok(url) if url.has_host() => {
            let hidden = if url.username().is_empty() && url.password().is_none() { "" } else { "…@" };
            let rest = if url.query().is_some() || url.fragment().is_some() { "?…" } else { "" };
            let plain = show(&url).replacen("://", &format!("://{hidden}"), 1);
            format!("={}{rest}", plain.trim_end_matches('/'))
        }
        _ if address.contains(['@', '?', '#']) => "=…".to_owned(),
        _ => format!("={address}"),
    });
    let host = if host.contains(['@', '?', '#']) { "…" } else { host };
    one_line(&format!("{host}{}", place.unwrap_or_default()), MAX_SHOWN)
}
