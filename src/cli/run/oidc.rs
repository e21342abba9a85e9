//! The flags for tokens of an OpenID Connect issuer, with the words of kube-apiserver's.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use oidc::Condition;

use crate::failure::{Context, Failure, Result};
use crate::server::Oidc;

/// The largest file with certificate authorities, in bytes.
const MAX_AUTHORITIES: u64 = 1 << 20;

/// The heading of these flags.
const HEADING: &str = "Tokens of an issuer";

// No documentation of the type: it would become that of the command.
#[derive(Debug, clap::Args)]
pub(super) struct Issuer {
    /// Take tokens of this OpenID Connect issuer, by its URL, for the API and the page
    #[arg(long, value_name = "URL", requires = "api_oidc_audience", conflicts_with = "once", help_heading = HEADING)]
    api_oidc_issuer: Option<String>,
    /// For whom these tokens have to be: the client of the issuer that stands for this bot
    #[arg(long, value_name = "AUDIENCE", requires = "api_oidc_issuer", conflicts_with = "once", help_heading = HEADING)]
    api_oidc_audience: Option<String>,
    /// Let those who have such a claim ask; may be repeated. A list has VALUE among others, * is anything, /a/b is within an object
    #[arg(long, value_name = "CLAIM=VALUE", value_parser = condition, requires = "api_oidc_issuer", conflicts_with = "once", help_heading = HEADING)]
    api_oidc_read: Vec<Condition>,
    /// Let those who have such a claim ask and order; may be repeated
    #[arg(long, value_name = "CLAIM=VALUE", value_parser = condition, requires = "api_oidc_issuer", conflicts_with = "once", help_heading = HEADING)]
    api_oidc_act: Vec<Condition>,
    /// Take only tokens with this claim; may be repeated, and each has to be there
    #[arg(long, value_name = "CLAIM=VALUE", value_parser = condition, requires = "api_oidc_issuer", conflicts_with = "once", help_heading = HEADING)]
    api_oidc_required_claim: Vec<Condition>,
    /// The claim by which the history calls whoever orders [default: the email, unless it is said not to be verified, or else sub]
    #[arg(long, value_name = "CLAIM", requires = "api_oidc_issuer", conflicts_with = "once", help_heading = HEADING)]
    api_oidc_username_claim: Option<String>,
    /// Trust the certificate authorities in FILE, too, when the issuer is asked for its keys
    #[arg(long, value_name = "FILE", requires = "api_oidc_issuer", conflicts_with = "once", help_heading = HEADING)]
    api_oidc_ca_file: Option<PathBuf>,
}

fn condition(text: &str) -> Result<Condition, &'static str> {
    Condition::parse(text).ok_or("write a claim and its value, such as groups=platform")
}

impl Issuer {
    /// What tokens of the issuer count for; none where there is none.
    pub(super) fn settings(&self) -> Result<Option<Oidc>> {
        let (Some(issuer), Some(audience)) = (&self.api_oidc_issuer, &self.api_oidc_audience) else { return Ok(None) };
        if issuer.is_empty() || audience.is_empty() {
            return Err(Failure::usage("--api-oidc-issuer and --api-oidc-audience must not be empty", ""));
        }
        if self.api_oidc_read.is_empty() && self.api_oidc_act.is_empty() {
            let hint = "say who may: --api-oidc-read groups=developers, --api-oidc-act groups=platform";
            return Err(Failure::usage("--api-oidc-issuer alone lets nobody in", hint));
        }
        let authorities = match &self.api_oidc_ca_file {
            Some(path) => {
                let mut text = String::new();
                let read = File::open(path).and_then(|file| file.take(MAX_AUTHORITIES + 1).read_to_string(&mut text));
                read.with_context(|| format!("cannot read the certificate authorities in {}", path.display()))?;
                if text.len() as u64 > MAX_AUTHORITIES {
                    let message = format!("the certificate authorities in {} have more than 1 MiB", path.display());
                    return Err(Failure::usage(message, "give the issuer's alone"));
                }
                vec![text]
            }
            None => Vec::new(),
        };
        Ok(Some(Oidc {
            issuer: issuer.clone(),
            audience: audience.clone(),
            authorities,
            name: self.api_oidc_username_claim.clone(),
            required: self.api_oidc_required_claim.clone(),
            read: self.api_oidc_read.clone(),
            act: self.api_oidc_act.clone(),
        }))
    }
}
