//! Service accounts of a cluster, as Google knows them by their annotations.

/// The annotation with the workload identity provider that takes the tokens of another cluster; Flux's name for it.
pub(crate) const PROVIDER_ANNOTATION: &str = "gcp.auth.fluxcd.io/workload-identity-provider";
/// The annotation with the service account of Google that it stands for; GKE's name for it.
pub(crate) const EMAIL_ANNOTATION: &str = "iam.gke.io/gcp-service-account";

/// The beginning of the full name of a workload identity provider.
const PROVIDERS: &str = "//iam.googleapis.com/";
/// The longest name of a pool or a provider.
const MAX_NAME: usize = 100;

/// Returns the full name of a workload identity provider, which is what its tokens are for:
/// `projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER`, also with what comes in front of it.
pub(crate) fn provider(text: &str) -> Option<String> {
    let text = text.strip_prefix("https:").unwrap_or(text);
    let name = text.strip_prefix(PROVIDERS).unwrap_or(text);
    let parts: Vec<&str> = name.split('/').collect();
    let ["projects", number, "locations", "global", "workloadIdentityPools", pool, "providers", provider] = parts[..]
    else {
        return None;
    };
    let is_number = (1..=30).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = |name: &str| {
        (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    (is_number && is_name(pool) && is_name(provider)).then(|| format!("{PROVIDERS}{name}"))
}

/// Returns the path at which a token of a service account of Google is asked for.
pub(crate) fn impersonation(email: &str) -> Option<String> {
    let (name, domain) = email.split_once('@')?;
    let is_part = |part: &str, others: &[u8]| {
        (1..=200).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
    };
    let is_address = is_part(name, b"-") && is_part(domain, b"-.") && domain.ends_with(".gserviceaccount.com");
    is_address.then(|| format!("/v1/projects/-/serviceAccounts/{email}:generateAccessToken"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers() {
        let name = "projects/123/locations/global/workloadIdentityPools/pool-1/providers/kind";
        let full = format!("//iam.googleapis.com/{name}");
        for text in [name.to_owned(), full.clone(), format!("https:{full}")] {
            assert_eq!(provider(&text), Some(full.clone()), "{text}");
        }
        for text in [
            "",
            "projects/p/locations/global/workloadIdentityPools/pool/providers/kind",
            "projects/1/locations/eu/workloadIdentityPools/pool/providers/kind",
            "projects/1/locations/global/workloadIdentityPools//providers/kind",
            "projects/1/locations/global/workloadIdentityPools/pool/providers/kind/more",
            "projects/1/locations/global/workloadIdentityPools/po ol/providers/kind",
        ] {
            assert_eq!(provider(text), None, "{text}");
        }
    }

    #[test]
    fn accounts() {
        let path = "/v1/projects/-/serviceAccounts/bot@acme.iam.gserviceaccount.com:generateAccessToken";
        assert_eq!(impersonation("bot@acme.iam.gserviceaccount.com").as_deref(), Some(path));
        for email in ["", "bot", "bot@example.com", "../x@acme.iam.gserviceaccount.com", "a@b@c.gserviceaccount.com"] {
            assert_eq!(impersonation(email), None, "{email}");
        }
    }
}
