//! `signingKey`: what commits are signed with. The keys of the secret, and the texts, are Flux's.

use std::sync::Arc;

use signing::{Format, Key, Problem};
use tagwright_core::automation::Forge;

use super::decode::Fields;
use super::policies::{Context, in_namespace};
use super::report::{Checked, Finding};
use super::requests::Named;
use super::text::Text;
use super::yaml::Place;

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

/// That the forge makes the commits.
#[derive(Debug)]
pub(super) struct ByForge {
    /// Where it stands.
    pub(super) place: Place,
    /// Which one, with the place of that, where it is said.
    named: Option<(Place, Named)>,
}

impl ByForge {
    /// Takes the forge, with its secret looked up. The forge of a pull request is named there.
    pub(super) fn resolve(self, context: &Context<'_>, namespace: &str, is_proposed: bool) -> Checked<Forge> {
        match self.named {
            Some((place, _)) if is_proposed => {
                let message = "`commit.forge` and `pullRequest` exclude each other";
                let hint = "the forge of the pull request makes the commits: name it in `pullRequest.forge`, and its secret in `pullRequest.secretRef`";
                Err(context.report.add(Finding::at(place, message).hint(hint)))
            }
            Some((_, named)) => named.resolve(context, namespace),
            None => Ok(Forge::default()),
        }
    }
}

/// Reads `signing` of a commit, and `forge`: `Some(None)` when they are absent, `None` when they are wrong, or go with nothing else that is
/// said of the commit. GitHub signs what it makes itself, and makes whoever asks the author.
pub(super) fn by_forge(commit: &mut Fields<'_>, trailers: bool, signed_off: bool) -> Option<Option<ByForge>> {
    let forge = commit.key("forge");
    let named = commit.optional_fields("forge", |mut fields| {
        let mut named = Named::read(&mut fields);
        named.secret = fields.reference("secretRef");
        let place = fields.place;
        fields.finish();
        Some((place, named))
    })?;
    if commit.key("signing").is_none() {
        commit.accept(&["signing"]);
        return match forge {
            None => Some(None),
            Some(place) => {
                let message = format!("`{}` has no effect without `signing: forge`", commit.path("forge"));
                let hint = "write `signing: forge` beside it, so that this forge makes and signs the commits";
                commit.report().add(Finding::at(place, message).hint(hint));
                None
            }
        };
    }
    let (_, place) = commit.one_of("signing", &[("forge", ())])?;
    let excluded = [
        (commit.key("signingKey").is_some(), "signingKey", "one of them signs"),
        (commit.key("author").is_some(), "author", "the forge makes whoever the token is of the author"),
        (signed_off, "signedOffBy", "the forge makes whoever the token is of the author"),
        (!trailers, "trailers: false", "without an author of its own, a commit is known by its trailers"),
    ];
    let Some((_, other, why)) = excluded.into_iter().find(|(is_there, ..)| *is_there) else {
        return Some(Some(ByForge { place, named }));
    };
    let message = format!("`{}` and `{other}` exclude each other", commit.path("signing"));
    commit.report().add(Finding::at(place, message).hint(why));
    None
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
