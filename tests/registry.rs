//! The registry edge against a simulated registry on loopback.
//!
//! Only what the program can do from outside is used: the questions of [`Client`].

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "support/registry.rs"]
mod simulated;

#[path = "registry/contents.rs"]
mod contents;
#[path = "registry/digests.rs"]
mod digests;
#[path = "registry/failures.rs"]
mod failures;
#[path = "registry/leak_laws.rs"]
mod leak_laws;
#[path = "registry/leaks.rs"]
mod leaks;
#[path = "registry/logins.rs"]
mod logins;
#[path = "registry/machine.rs"]
mod machine;
#[path = "registry/manners.rs"]
mod manners;
#[path = "registry/mirrors.rs"]
mod mirrors;
#[path = "registry/paging.rs"]
mod paging;
#[path = "registry/redirects.rs"]
mod redirects;
#[path = "registry/room.rs"]
mod room;
#[path = "registry/since.rs"]
mod since;
#[path = "registry/tokens.rs"]
mod tokens;
#[path = "registry/transports.rs"]
mod transports;
#[path = "registry/trust.rs"]
mod trust;

use std::time::Duration;

use access::{self, Login, RegistryLogin};
use image::Repository;
use registry::{Client, DockerConfig, Error, Listing, Settings};

use simulated::Registry;

/// Settings that touch nothing of this machine and wait for nothing.
fn settings() -> Settings {
    Settings { docker_config: DockerConfig::none(), retry_wait: Duration::ZERO, ..Settings::default() }
}

fn client() -> Client {
    Client::new(settings()).unwrap()
}

/// Access with nothing configured.
fn access() -> access::Registry {
    access::Registry {
        logins: Vec::new(),
        provider: None,
        account: None,
        tls: access::Tls::default(),
        proxy: None,
        insecure: false,
        timeout: Duration::from_secs(60),
    }
}

/// Access with logins, given as key, user name and password.
fn with_logins(logins: &[(&str, &str, &str)]) -> access::Registry {
    let login = |(key, username, password): &(&str, &str, &str)| RegistryLogin {
        key: (*key).to_owned(),
        login: Some(Login { username: (*username).to_owned(), password: (*password).into() }),
        identity_token: None,
        registry_token: None,
    };
    access::Registry { logins: logins.iter().map(login).collect(), ..access() }
}

fn repository(host: &str, path: &str) -> Repository {
    Repository::parse(&format!("{host}/{path}")).unwrap()
}

/// Lists a repository of a registry with a new client.
async fn list(registry: &Registry, path: &str, access: &access::Registry) -> Result<Listing, Error> {
    client().tags(&repository(&registry.host(), path), access).await
}

/// The text of a failure, with the changing parts replaced.
fn message(error: &Error, registry: &Registry) -> String {
    error.to_string().replace(&registry.host(), "REGISTRY")
}
