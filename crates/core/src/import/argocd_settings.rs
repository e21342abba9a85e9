//! What argocd-image-updater can be told about an image and about writing, from annotations or fields.

use image::Repository;

use super::argocd::SOURCE;
use super::{Choice, Import, Request, Spot, alphabetical, among, glob, semver};
use crate::automation::DigestReflection;
use crate::policy::{Order, Policy};
use crate::suggest;

/// A text with its place.
pub(super) type Said = Option<(String, Spot)>;

/// What is said about images; what one level does not say, the next does.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) strategy: Said,
    pub(super) allow: Said,
    pub(super) ignore: Option<(Vec<String>, Spot)>,
    pub(super) secret: Said,
    pub(super) platforms: Option<(Vec<String>, Spot)>,
    /// The secret of the keys that signatures need.
    pub(super) verify: Said,
}

impl Settings {
    pub(super) fn or(self, other: &Self) -> Self {
        let other = other.clone();
        Self {
            strategy: self.strategy.or(other.strategy),
            allow: self.allow.or(other.allow),
            ignore: self.ignore.or(other.ignore),
            secret: self.secret.or(other.secret),
            platforms: self.platforms.or(other.platforms),
            verify: self.verify.or(other.verify),
        }
    }
}

/// Where in an application the image is set.
#[derive(Debug, Clone, Default)]
pub(super) struct Manifest {
    pub(super) helm_name: Said,
    pub(super) helm_tag: Said,
    pub(super) helm_spec: Said,
    pub(super) kustomize: Said,
}

/// How changes are written.
#[derive(Debug, Clone, Default)]
pub(super) struct WriteBack {
    pub(super) method: Said,
    pub(super) branch: Said,
    pub(super) repository: Said,
    pub(super) target: Said,
    /// The pull request, where one is wanted.
    pub(super) request: Option<Request>,
}

impl WriteBack {
    pub(super) fn or(self, other: &Self) -> Self {
        let other = other.clone();
        Self {
            method: self.method.or(other.method),
            branch: self.branch.or(other.branch),
            repository: self.repository.or(other.repository),
            target: self.target.or(other.target),
            request: self.request.or(other.request),
        }
    }

    /// Whether it writes to Git.
    pub(super) fn is_git(&self) -> bool {
        self.method.as_ref().is_some_and(|(method, _)| method == "git" || method.starts_with("git:"))
    }
}

/// An image that is followed, as it was named.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) alias: Option<String>,
    pub(super) repository: Repository,
    /// The tag of its name: a range, or the tag that is followed by digest.
    pub(super) constraint: Option<String>,
    pub(super) spot: Spot,
    pub(super) settings: Settings,
    pub(super) manifest: Manifest,
}

/// Reads `[alias=]image[:constraint]`.
pub(super) fn wanted(text: &str, spot: &Spot) -> Result<(Option<String>, Repository, Option<String>), String> {
    let text = text.trim();
    let (alias, rest) = match text.split_once('=') {
        // `>=1.0` is no alias.
        Some((alias, rest)) if !alias.contains([':', '>', '<']) => (Some(alias.trim().replace('/', "_")), rest.trim()),
        _ => (None, text),
    };
    let slash = rest.rfind('/').map_or(0, |at| at + 1);
    let (name, constraint) = match rest[slash..].split_once(':') {
        Some((last, constraint)) => (format!("{}{last}", &rest[..slash]), Some(constraint.trim().to_owned())),
        None => (rest.to_owned(), None),
    };
    let name = name.split('@').next().unwrap_or_default().to_owned();
    let repository = Repository::parse(&name).map_err(|error| format!("{error} (line {})", spot.line))?;
    Ok((alias, repository, constraint.filter(|it| !it.is_empty())))
}

/// The policy of an image, given the tag in use.
pub(super) fn policy(import: &mut Import, wanted: &Wanted, tag: Option<&str>) -> Result<(Policy, Choice), String> {
    let Settings { strategy, allow, ignore, secret, platforms, verify } = &wanted.settings;
    let name = wanted.alias.as_deref().unwrap_or(wanted.repository.name());
    let mut choice = Choice::default();
    let strategy = strategy.as_ref().map_or("semver", |(strategy, _)| strategy.trim());
    let range = wanted.constraint.as_deref().unwrap_or("*");
    let mut policy = match strategy {
        "alphabetical" | "name" => alphabetical(),
        "newest-build" | "latest" => Policy { filter: None, order: Order::Newest },
        "digest" => {
            let tag = wanted.constraint.as_deref().ok_or("the strategy digest needs a tag behind the image's name")?;
            choice.digest = DigestReflection::Always;
            suggest::tracking(tag).ok_or_else(|| format!("{tag} is no tag"))?
        }
        other => {
            if other != "semver" {
                let why = "it is no strategy that argocd-image-updater knows, and it takes semver then";
                import.leave(SOURCE, &wanted.spot, format!("update-strategy: {other} of {name}"), why);
            }
            let policy = semver(range)?;
            // It also takes 1.2 for a version, which is none here without help.
            let is_short = |tag: &&str| allow.is_none() && gotext::version::Version::parse_tag(tag).is_none();
            match tag.filter(is_short).map(|tag| suggest::for_tag_among(tag, &[])) {
                Some(suggest::Suggestion::Policy(derived)) if matches!(derived.policy.order, Order::Semver(_)) => {
                    Policy { filter: derived.policy.filter, ..policy }
                }
                _ => policy,
            }
        }
    };
    if let Some((said, spot)) = allow.as_ref().filter(|_| strategy != "digest") {
        match said.split_once(':') {
            Some(("regexp", pattern)) => {
                let none = "argocd-image-updater lets no tag through then, and so it is here";
                match among(policy.clone(), pattern.trim(), "") {
                    Ok(filtered) => policy = filtered,
                    Err(why) => {
                        import.leave(SOURCE, spot, format!("allow-tags of {name}"), format!("{why}; {none}"));
                        return Err("its allow-tags let nothing through".to_owned());
                    }
                }
            }
            _ if said == "any" => {}
            _ => return Err(format!("its allow-tags {said} let nothing through: write regexp:PATTERN")),
        }
    }
    if let Some((globs, spot)) = ignore.as_ref().filter(|_| strategy != "digest") {
        for glob in globs.iter().map(|it| it.trim()).filter(|it| !it.is_empty()) {
            let pattern = glob::pattern(glob, false);
            match gotext::pattern::Pattern::parse(&pattern) {
                Ok(_) => choice.exclusions.push(pattern),
                Err(_) => import.leave(
                    SOURCE,
                    spot,
                    format!("ignore-tags: {glob} of {name}"),
                    "it is no glob, and ignored there, too",
                ),
            }
        }
    }
    if let Some((all, spot)) = platforms {
        match strategy {
            "newest-build" | "latest" | "digest" => choice.platforms.clone_from(all),
            _ => {
                let why = format!(
                    "argocd-image-updater looks at them for newest-build and digest only; `platforms: [{}]` of the image asks for them here",
                    all.join(", ")
                );
                import.leave(SOURCE, spot, format!("platforms of {name}"), why);
            }
        }
    }
    if let Some((said, spot)) = secret {
        choice.secret = secret_name(import, said, spot, name);
    }
    if let Some((secret, spot)) = verify {
        let why = "the keys in the secret have to stand under names that end with .pub";
        import.leave(SOURCE, spot, format!("the key {secret} of {name}"), why);
        choice.verify = Some(secret.clone());
    }
    Ok((policy, choice))
}

/// `pullsecret:ns/name`, `secret:ns/name#field`, `env:NAME`, `ext:SCRIPT`.
fn secret_name(import: &mut Import, said: &str, spot: &Spot, of: &str) -> Option<String> {
    let what = format!("pull-secret: {said} of {of}");
    let (kind, rest) = said.split_once(':').unwrap_or(("pullsecret", said));
    match kind {
        "pullsecret" => {
            let name = rest.rsplit('/').next().unwrap_or(rest);
            let why = "the secret is looked for in the namespace of the automation";
            import.leave(SOURCE, spot, what, why);
            Some(name.to_owned())
        }
        "secret" => {
            let why = "its field holds user:password; write a secret with `username` and `password`, and name it under `secretRef`";
            import.leave(SOURCE, spot, what, why);
            None
        }
        "env" => {
            import.leave(
                SOURCE,
                spot,
                what,
                "write a secret with `username` and `password`, and name it under `secretRef`",
            );
            None
        }
        _ => {
            let why = "no script is run; use a credential helper of Docker's, which the machine has, or a secret";
            import.leave(SOURCE, spot, what, why);
            None
        }
    }
}
