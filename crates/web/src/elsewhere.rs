//! Names that lead anywhere but to this machine and the link that it is on.
//!
//! They are looked up by whoever makes the connection, so that nobody can have them be other addresses by then.

use std::collections::BTreeSet;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Url;

use super::place::is_address_at_hand;
use super::sent::PROXY_VARIABLES;

/// Looks names up.
pub(super) struct Elsewhere {
    /// The proxies of the environment: whoever runs the process has named them, and they may be here.
    proxies: BTreeSet<String>,
}

impl Elsewhere {
    pub(super) fn of_process() -> Arc<Self> {
        let host = |name: &&str| {
            let text = std::env::var(name).ok()?;
            let written = if text.contains("://") { text } else { format!("http://{text}") };
            Some(Url::parse(&written).ok()?.host_str()?.to_owned())
        };
        Arc::new(Self { proxies: PROXY_VARIABLES.iter().filter_map(host).collect() })
    }
}

impl Resolve for Elsewhere {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let is_proxy = self.proxies.contains(&name);
        Box::pin(async move {
            let all: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let found: Vec<SocketAddr> =
                all.iter().filter(|address| is_proxy || !is_address_at_hand(address.ip())).copied().collect();
            match (found.as_slice(), all.first()) {
                ([], Some(first)) => {
                    let refusal = format!("{name} leads to {}, which is this machine or on its link", first.ip());
                    Err(Box::<dyn Error + Send + Sync>::from(refusal))
                }
                _ => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_leads_here_leads_nowhere() {
        let look = async |proxies: &[&str]| {
            let names = Elsewhere { proxies: proxies.iter().map(|&name| name.to_owned()).collect() };
            names.resolve("localhost".parse().map_err(|_| "not a name")?).await.map(Iterator::count)
        };
        let refusal = look(&[]).await.map_err(|error| error.to_string());
        assert!(refusal.is_err_and(|it| it.starts_with("localhost leads to ") && it.ends_with("on its link")));
        assert!(look(&["localhost"]).await.is_ok_and(|count| count > 0), "a proxy may be here");
    }
}
