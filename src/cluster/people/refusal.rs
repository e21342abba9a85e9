//! What to say when the API server refuses, or does not answer.

use kubernetes::{Error, Reason, rights};

use super::{People, What};
use crate::failure::{Failure, Kind};

/// Where the roles for people are, of all namespaces and of one.
const ROLES: [&str; 2] =
    ["deploy/kubernetes/standalone/cluster-wide/users.yaml", "deploy/kubernetes/standalone/namespaced/users.yaml"];

impl People {
    /// A request about objects of a kind, in a namespace or everywhere, that was refused or not answered.
    pub(super) async fn refused(&self, error: &Error, verb: &str, what: What, namespace: Option<&str>) -> Failure {
        let kind = what.kind();
        let place = namespace.map_or_else(|| "all namespaces".to_owned(), |name| format!("the namespace {name}"));
        let deed = format!("cannot {verb} {} in {place}", kind.plural);
        if error.reason != Reason::Forbidden {
            return self.unanswered(error, &deed);
        }
        let version = self.served.get(&what).map(String::as_str).unwrap_or_default();
        let has = rights::has(&self.cluster.client, verb, &kind.resource(version), namespace).await;
        // Whoever has the right is refused by admission, whose words say why.
        let hint = matches!(has, Ok(false)).then(|| lack(verb, &format!("{}.{}", kind.plural, kind.group), namespace));
        Failure::new(Kind::Denied, &error.message).with_hint(hint).under(deed)
    }

    /// A request that was not answered, or in a way that has nothing to do with rights.
    pub(super) fn unanswered(&self, error: &Error, deed: &str) -> Failure {
        let (kind, hint) = match error.reason {
            Reason::Unknown => (
                Kind::Denied,
                "the API server does not know who asks: log in again, or see the user of the kubeconfig's context",
            ),
            Reason::Transient => {
                (Kind::Transient, "is that the right cluster? `--context NAME` takes another one of the kubeconfig")
            }
            _ => (Kind::Denied, ""),
        };
        let message = format!("{}: {}", self.cluster.url, error.message);
        Failure::new(kind, message).with_hint(Some(hint)).under(deed)
    }
}

/// The cluster has none of the kinds that are asked for.
pub(super) fn without_kinds(kinds: &[What]) -> Failure {
    let names: Vec<&str> = kinds.iter().map(|what| what.kind().name).collect();
    Failure::missing(
        format!("the cluster knows no {}", names.join(" and no ")),
        "apply the definition of ours, `tagwright crds | kubectl apply --server-side -f -`, or install Flux; or take another cluster: \
         `--context NAME`",
    )
}

/// Which right is missing, and what brings it.
fn lack(verb: &str, resource: &str, namespace: Option<&str>) -> String {
    let role = if matches!(verb, "get" | "list" | "watch") { "view" } else { "edit" };
    let [of_all, of_one] = ROLES;
    let (place, binding) = match namespace {
        Some(name) => (
            format!("in the namespace {name}"),
            format!("a RoleBinding to `{role}` there, or to the Role tagwright-{role} of {of_one}"),
        ),
        None => {
            ("in all namespaces".to_owned(), format!("a ClusterRoleBinding to `{role}`; -n takes one namespace alone"))
        }
    };
    format!(
        "the right to {verb} {resource} {place} is missing; the ClusterRole tagwright-{role} of {of_all} adds it to `{role}`: ask for \
         {binding}"
    )
}
