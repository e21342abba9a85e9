//! What we may do, by the API server's own word.
//!
//! A request can be refused for want of a right, and by whoever looks at writes (admission). Both are answered with 403, in words
//! that only people can tell apart.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::Client;
use kube::api::{Api, PostParams};
use kube::core::ApiResource;

use crate::connect::within;
use crate::error::Error;

/// Tells whether we have the right to a verb on a resource, in a namespace or, without one, everywhere.
///
/// Everybody who is known to the server may ask, as it comes (`system:basic-user`).
///
/// # Errors
/// The server does not say.
pub async fn has(client: &Client, verb: &str, resource: &ApiResource, namespace: Option<&str>) -> Result<bool, Error> {
    let attributes = ResourceAttributes {
        verb: Some(verb.to_owned()),
        group: Some(resource.group.clone()),
        version: Some(resource.version.clone()),
        resource: Some(resource.plural.clone()),
        namespace: namespace.map(str::to_owned),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let reviews = Api::<SelfSubjectAccessReview>::all(client.clone());
    let answer = within(reviews.create(&PostParams::default(), &review)).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}
