//! A certificate authority of a test's own, and a certificate for `localhost` and `127.0.0.1`.

use std::path::PathBuf;

use crate::world::{World, text};

const PROFILE: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
CN = tagwright test
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
[client]
basicConstraints = CA:FALSE
extendedKeyUsage = clientAuth
";

/// An authority with what it signed, all PEM files.
pub(crate) struct Authority {
    pub(crate) certificate: PathBuf,
    pub(crate) server: Pair,
    pub(crate) client: Pair,
}

/// A certificate and its key.
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn create(world: &World) -> Self {
        world.write("tls/profile.cnf", PROFILE);
        let authority = issue(world, "authority", None);
        let server = issue(world, "server", Some(&authority));
        let client = issue(world, "client", Some(&authority));
        Self { certificate: authority.certificate, server, client }
    }

    /// The authority's certificate.
    pub(crate) fn pem(&self) -> String {
        std::fs::read_to_string(&self.certificate).unwrap()
    }
}

fn issue(world: &World, name: &str, signer: Option<&Pair>) -> Pair {
    let pair =
        Pair { certificate: world.path(&format!("tls/{name}.crt")), key: world.path(&format!("tls/{name}.key")) };
    let profile = world.path("tls/profile.cnf");
    let mut arguments = vec!["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    arguments.extend(["-days", "2", "-config", text(&profile), "-extensions", name]);
    arguments.extend(["-keyout", text(&pair.key), "-out", text(&pair.certificate)]);
    if let Some(signer) = signer {
        arguments.extend(["-CA", text(&signer.certificate), "-CAkey", text(&signer.key)]);
    }
    world.succeed("openssl", arguments);
    pair
}
