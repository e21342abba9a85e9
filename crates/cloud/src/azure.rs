//! Microsoft: tokens of Entra ID, the logins of container registries and of Azure DevOps.

mod acr;
mod devops;
mod entra;
mod flow;

pub(crate) use devops::is_remote;

/// Azure's registries, in words.
pub(crate) const REGISTRIES: &str = "NAME.azurecr.io, .azurecr.cn, .azurecr.us and .azurecr.de";
/// The remotes of Azure DevOps, in words.
pub(crate) const REMOTES: &str = "https://dev.azure.com and https://ORGANISATION.visualstudio.com";

/// Whether a host is a registry of Azure.
pub(crate) fn is_registry(host: &str) -> bool {
    acr::authority(host).is_some()
}
