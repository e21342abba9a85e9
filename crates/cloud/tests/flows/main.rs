//! Each way to a login, from the machine's settings to the user name and password, against services that are simulated: they
//! check signatures, tokens and times as the real ones do, and count what they are asked.
#![allow(clippy::unwrap_used)]

mod accounts;
mod aws;
mod azure;
mod github;
mod google;
mod manners;
#[cfg(feature = "real-moto")]
mod moto;
mod service;
mod sigv4;

use cloud::{Cloud, Environment};
use web::Pauses;

/// A machine with these variables and no others, in no cloud that is not simulated: whatever asks for metadata asks where nobody
/// listens.
fn machine(variables: &[(&str, &str)]) -> Cloud {
    let nowhere = service::nowhere();
    let defaults = [
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", nowhere.as_str()),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", nowhere.as_str()),
        ("GCE_METADATA_HOST", nowhere.trim_start_matches("http://")),
    ];
    let all = defaults.iter().chain(variables);
    let environment: Environment = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Cloud::new(environment, Pauses::default())
}

/// A file with a text, for as long as the folder lives.
fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}
