//! CSAF 2.0 with the profile VEX (<https://docs.oasis-open.org/csaf/csaf/v2.0/>): a tree of products, and what is fixed in which.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::openvex::hashed;
use super::purl::Purl;
use super::{Fix, Problem, Product, What, best};

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    product_tree: Tree,
    #[serde(default)]
    vulnerabilities: Vec<Vulnerability>,
}

#[derive(Default, Deserialize)]
struct Tree {
    #[serde(default)]
    branches: Vec<Branch>,
    #[serde(default)]
    full_product_names: Vec<Named>,
    #[serde(default)]
    relationships: Vec<Relationship>,
}

#[derive(Deserialize)]
struct Branch {
    #[serde(default)]
    branches: Vec<Branch>,
    product: Option<Named>,
}

#[derive(Deserialize)]
struct Relationship {
    full_product_name: Named,
}

#[derive(Deserialize)]
struct Named {
    product_id: String,
    #[serde(default)]
    product_identification_helper: Helper,
}

#[derive(Default, Deserialize)]
struct Helper {
    purl: Option<String>,
    #[serde(default)]
    hashes: Vec<Hashes>,
}

#[derive(Deserialize)]
struct Hashes {
    #[serde(default)]
    file_hashes: Vec<FileHash>,
}

#[derive(Deserialize)]
struct FileHash {
    algorithm: String,
    value: String,
}

#[derive(Deserialize)]
struct Vulnerability {
    cve: Option<String>,
    #[serde(default)]
    ids: Vec<Id>,
    #[serde(default)]
    product_status: Status,
}

#[derive(Deserialize)]
struct Id {
    text: String,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    fixed: Vec<String>,
    #[serde(default)]
    first_fixed: Vec<String>,
}

/// Reads a document.
pub(super) fn read(value: Value) -> Result<Vec<Fix>, Problem> {
    let wire = Wire::deserialize(value).map_err(|error| Problem::Malformed("CSAF", error.to_string()))?;
    let mut products: BTreeMap<&str, Vec<Product>> = BTreeMap::new();
    let tree = &wire.product_tree;
    let mut branches: Vec<&Branch> = tree.branches.iter().collect();
    let mut named: Vec<&Named> = tree.full_product_names.iter().collect();
    named.extend(tree.relationships.iter().map(|relationship| &relationship.full_product_name));
    while let Some(branch) = branches.pop() {
        branches.extend(&branch.branches);
        named.extend(&branch.product);
    }
    for Named { product_id, product_identification_helper: helper } in named {
        let hashes = helper.hashes.iter().flat_map(|hashes| &hashes.file_hashes);
        let hashes = hashes.filter_map(|hash| hashed(&hash.algorithm, &hash.value)).map(Product::Hash);
        let purl = helper.purl.as_deref().and_then(Purl::parse).map(Product::Named);
        products.entry(product_id).or_default().extend(purl.into_iter().chain(hashes));
    }
    let mut fixes = Vec::new();
    for Vulnerability { cve, ids, product_status } in &wire.vulnerabilities {
        let mut names = cve.iter().map(String::as_str).chain(ids.iter().map(|id| id.text.as_str()));
        let vulnerability = best(names.next().unwrap_or_default(), names);
        let fixed = product_status.fixed.iter().chain(&product_status.first_fixed);
        for product in fixed.filter_map(|id| products.get(id.as_str())).flatten() {
            fixes.push(Fix { vulnerability: vulnerability.clone(), what: What::Image(product.clone()) });
            if fixes.len() > super::MAX_FIXES {
                return Err(Problem::TooMany);
            }
        }
    }
    Ok(fixes)
}
