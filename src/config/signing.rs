//! `signingKey`: what commits are signed with. The keys of the secret, and the texts, are Flux's.

use std::sync::Arc;

use signing::{Format, Key, Problem};

use super::decode::Fields;
use super::policies::{Context, in_namespace};
use super::report::Checked;
use super::text::Text;

/// What `type` can say.
const WORDS: [(&str, Format); 2] = [("gpg", Format::OpenPgp), ("ssh", Format::Ssh)];

/// What a document says, with its secret still to be looked up.
#[derive(Debug)]
pub(super) struct SigningKey {
    secret: Text,
    format: Format,
}

/// Reads `signingKey` of a commit: `Some(None)` when there is none, `None` when it is wrong.
pub(super) fn key(commit: &mut Fields<'_>) -> Option<Option<SigningKey>> {
    commit.optional_fields("signingKey", |mut fields| {
        if fields.key("secretRef").is_none() {
            fields.missing("secretRef");
        }
        let secret = fields.reference("secretRef");
        let is_given = fields.peek("type").is_some_and(|word| !word.is_empty());
        let format = fields.one_of("type", &WORDS).map(|(format, _)| format);
        fields.finish();
        let format = if is_given { format? } else { Format::OpenPgp };
        Some(SigningKey { secret: secret?, format })
    })
}

/// Looks up the key, in the namespace of the automation, and opens it; none where secrets are no concern.
pub(super) fn resolve(context: &Context<'_>, namespace: &str, key: Option<&SigningKey>) -> Checked<Option<Arc<Key>>> {
    let Some(SigningKey { secret, format }) = key else { return Ok(None) };
    let id = in_namespace(namespace, secret);
    let Some(secret) = context.secrets.secret(&id, secret.place)? else { return Ok(None) };
    let (name, passphrase) = match format {
        Format::OpenPgp => ("git.asc", "passphrase"),
        Format::Ssh => ("identity", "password"),
    };
    let Some(text) = secret.filled(name)? else {
        return Err(secret.error(format!("signing key secret '{id}' does not contain a '{name}' key")));
    };
    let given = secret.filled(passphrase)?.map(access::Secret::from);
    let opened = Key::open(*format, &access::Secret::from(text), given.as_ref());
    opened.map(Some).map_err(|problem| {
        secret.error(match problem {
            Problem::Several(_) => {
                format!("multiple entities read from secret '{id}', could not determine which signing key to use")
            }
            Problem::Locked => {
                format!(
                    "can not use passphrase protected signing key without '{passphrase}' field present in secret {id}"
                )
            }
            Problem::Passphrase => {
                format!("could not decrypt private key of the signing key present in secret {id}: {problem}")
            }
            _ => format!("could not read signing key from secret '{id}': {problem}"),
        })
    })
}
