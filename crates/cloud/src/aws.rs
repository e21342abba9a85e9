//! Amazon: credentials of the machine, signatures, the logins of ECR and CodeCommit.

mod codecommit;
mod container;
mod ecr;
mod flow;
mod keys;
mod metadata;
mod profile;
mod region;
mod sign;
mod sts;
#[cfg(test)]
mod vectors;

pub(crate) use keys::Keys;

/// The registries of ECR, in words.
pub(crate) const REGISTRIES: &str = "ACCOUNT.dkr.ecr.REGION.amazonaws.com and public.ecr.aws";
/// The remotes of CodeCommit, in words.
pub(crate) const REMOTES: &str = "https://git-codecommit.REGION.amazonaws.com";

/// Whether a host is a registry of ECR.
pub(crate) fn is_registry(host: &str) -> bool {
    ecr::Place::of_host(host).is_some()
}

/// Whether an address is a remote of CodeCommit.
pub(crate) fn is_remote(remote: &url::Url) -> bool {
    codecommit::region_of(remote).is_some()
}
