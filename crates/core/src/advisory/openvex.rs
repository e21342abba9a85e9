//! OpenVEX (<https://github.com/openvex/spec>): statements about products.

use std::collections::BTreeMap;

use image::Digest;
use serde::Deserialize;
use serde_json::Value;

use super::purl::Purl;
use super::{Fix, Problem, Product, What, best};

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    statements: Vec<Statement>,
}

#[derive(Deserialize)]
struct Statement {
    vulnerability: Vulnerability,
    #[serde(default)]
    products: Vec<WireProduct>,
    status: String,
}

/// A name alone, as in version 0.0.1, or with aliases.
#[derive(Deserialize)]
#[serde(untagged)]
enum Vulnerability {
    Name(String),
    Full {
        name: Option<String>,
        #[serde(rename = "@id")]
        id: Option<String>,
        #[serde(default)]
        aliases: Vec<String>,
    },
}

/// A name alone, as in version 0.0.1, or with identifiers and hashes.
#[derive(Deserialize)]
#[serde(untagged)]
enum WireProduct {
    Name(String),
    Full {
        #[serde(rename = "@id")]
        id: Option<String>,
        #[serde(default)]
        identifiers: BTreeMap<String, String>,
        #[serde(default)]
        hashes: BTreeMap<String, String>,
    },
}

/// Reads a document.
pub(super) fn read(value: Value) -> Result<Vec<Fix>, Problem> {
    let wire = Wire::deserialize(value).map_err(|error| Problem::Malformed("OpenVEX", error.to_string()))?;
    let mut fixes = Vec::new();
    for Statement { vulnerability, products, .. } in wire.statements.into_iter().filter(|it| it.status == "fixed") {
        let vulnerability = match vulnerability {
            Vulnerability::Name(name) => best(&name, []),
            Vulnerability::Full { name, id, aliases } => {
                let first = name.or(id).unwrap_or_default();
                best(&first, aliases.iter().map(String::as_str))
            }
        };
        let what = products.into_iter().flat_map(WireProduct::products).map(What::Image);
        fixes.extend(what.map(|what| Fix { vulnerability: vulnerability.clone(), what }));
    }
    Ok(fixes)
}

impl WireProduct {
    /// Every name of it by which an image can be told.
    fn products(self) -> Vec<Product> {
        match self {
            Self::Name(name) => Purl::parse(&name).map(Product::Named).into_iter().collect(),
            Self::Full { id, identifiers, hashes } => {
                let names = id.iter().chain(identifiers.get("purl"));
                let names = names.filter_map(|name| Purl::parse(name)).map(Product::Named);
                let hashes = hashes.iter().filter_map(|(algorithm, hash)| hashed(algorithm, hash));
                names.chain(hashes.map(Product::Hash)).collect()
            }
        }
    }
}

/// A hash as a digest: `sha-256`, as OpenVEX has it, or `sha256`, as CSAF does.
pub(super) fn hashed(algorithm: &str, hash: &str) -> Option<Digest> {
    let algorithm = algorithm.to_ascii_lowercase().replace('-', "");
    Digest::parse(&format!("{algorithm}:{}", hash.to_ascii_lowercase())).ok()
}
