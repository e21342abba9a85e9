//! The configuration of an image, as far as it says what the image is.
//!
//! All of it is what whoever built the image claims of it: times may be any, and reproducible builds say 1970.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::Platform;

/// What an image says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// When it says that it was created; none where it does not say so in a way that can be read.
    pub created: Option<Timestamp>,
    /// What it runs on.
    pub platform: Option<Platform>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Wire {
    created: Option<String>,
    os: Option<String>,
    architecture: Option<String>,
    variant: Option<String>,
    config: Option<Inner>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inner {
    labels: Option<BTreeMap<String, String>>,
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// What is wrong with it, as the object of "answered with".
    pub(crate) fn decode(body: &[u8]) -> Result<Self, String> {
        let wire: Wire = serde_json::from_slice(body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("something else than an image's configuration (line {line}, column {column})")
        })?;
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let platform = match (said(wire.os), said(wire.architecture)) {
            (Some(os), Some(architecture)) => Some(Platform { os, architecture, variant: said(wire.variant) }),
            _ => None,
        };
        let created = wire.created.and_then(|created| created.parse().ok());
        let labels = wire.config.and_then(|config| config.labels).unwrap_or_default();
        Ok(Self { created, platform, labels })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_read() {
        let body = br#"{"created":"2026-02-03T04:05:06.123456789Z","os":"linux","architecture":"arm","variant":"v7",
            "config":{"Labels":{"org.opencontainers.image.revision":"abc"}},"rootfs":null,"history":[1]}"#;
        let config = Config::decode(body).unwrap();
        assert_eq!(config.created.unwrap().as_second(), 1_770_091_506);
        assert_eq!(config.platform.unwrap().to_string(), "linux/arm/v7");
        assert_eq!(config.labels["org.opencontainers.image.revision"], "abc");
        for bare in [
            "{}",
            r#"{"created":"yesterday","config":null}"#,
            r#"{"os":"","architecture":"x","config":{"Labels":null}}"#,
        ] {
            assert_eq!(Config::decode(bare.as_bytes()).unwrap(), Config::default(), "{bare}");
        }
        let expect = "something else than an image's configuration (line 1, column 2)";
        assert_eq!(Config::decode(b"[]").unwrap_err(), expect);
    }
}
