//! Whether the hosts that notifications go to take connections: one line for each. Nothing is sent.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::Configuration;
use crate::wire::doctor::{Check, State};

const CHECK: &str = "notification";

/// Hosts tried at the same time, and how long each may take.
const CONCURRENT: usize = 8;
const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn look(configuration: &Configuration) -> Vec<Check> {
    // Mail goes along none of these.
    let by_environment =
        web::PROXY_VARIABLES.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    let mut hosts: BTreeMap<(String, u16), bool> = BTreeMap::new();
    for notification in &configuration.notifications {
        let by_environment = by_environment && !matches!(notification.target.service, notify::Service::Mail(_));
        let by_proxy = by_environment || notification.target.route.proxy.is_some();
        *hosts.entry(notification.target.host()).or_insert(by_proxy) &= by_proxy;
    }
    let tried = hosts.into_iter().map(|(host, by_proxy)| of_host(host, by_proxy));
    futures_util::stream::iter(tried).buffered(CONCURRENT).collect().await
}

async fn of_host((host, port): (String, u16), by_proxy: bool) -> Check {
    let subject = format!("{host}:{port}");
    if by_proxy {
        return Check::new(State::Ok, CHECK, subject, "not tried, since a proxy is on the way");
    }
    let why = match timeout(TIMEOUT, TcpStream::connect((host.trim_matches(['[', ']']), port))).await {
        Ok(Ok(_)) => return Check::new(State::Ok, CHECK, subject, "takes connections"),
        Ok(Err(error)) => words::system(&error.to_string()),
        Err(_) => format!("no answer within {} s", TIMEOUT.as_secs()),
    };
    // A bot works without; nobody hears of it.
    Check::new(State::Warning, CHECK, subject, format!("takes no connections: {why}"))
}
