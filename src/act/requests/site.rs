//! Which forge an automation has to do with, and what proves to it who asks.

use forge::{Forge, Place, Proof, Way};
use tagwright_core::automation::{self, Automation};

use crate::run::{Asking, Context, Doing, Error};

/// A repository of a forge, and what proves who asks.
pub(in crate::act) struct Site {
    pub(in crate::act) place: Place,
    pub(super) proof: Proof,
}

/// Finds the forge: the one that the automation names, or that of its remote.
pub(super) fn place(automation: &Automation, asking: Asking) -> Result<Place, Error> {
    let url = &automation.remote.url;
    let (product, address) = automation.forge().names();
    let product = product.and_then(forge::Product::of_word);
    Place::of(url, product, address).map_err(|error| {
        let source = Box::new(forge::Error::Way { url: url.clone(), reason: error.to_string() });
        Error::Forge { asking, url: url.clone(), source }
    })
}

/// Finds the forge, and what proves to it who asks.
pub(in crate::act) async fn find(context: Context<'_>, automation: &Automation, asking: Asking) -> Result<Site, Error> {
    let place = place(automation, asking)?;
    let proof = match &automation.forge().proof {
        Some(automation::Proof::Token(token)) => Proof::Token(token.clone()),
        Some(automation::Proof::Login(login)) => Proof::Login(login.clone()),
        None => login(context, automation, &place).await?,
    };
    Ok(Site { place, proof })
}

/// The login of the remote, which is for the remote's own server alone.
async fn login(context: Context<'_>, automation: &Automation, place: &Place) -> Result<Proof, Error> {
    let remote = &automation.remote;
    let none = || Error::NoForgeLogin { url: remote.url.clone() };
    if !place.is_at(&remote.url) {
        return Err(none());
    }
    let given = context.edges.git.login_of(&remote.url, &remote.access).await;
    match given.map_err(|source| Error::git(Doing::Open, &remote.url, source))? {
        Some(access::GitLogin::Basic(login)) => Ok(Proof::Login(login)),
        Some(access::GitLogin::Bearer(token)) => Ok(Proof::Bearer(token)),
        _ => Err(none()),
    }
}

impl Site {
    /// The forge, asked as the automation is to reach it.
    pub(in crate::act) fn asked<'s>(&'s self, context: Context<'s>, automation: &'s Automation) -> Forge<'s> {
        let access = &automation.remote.access;
        let way = Way { proxy: access.proxy.as_ref(), authority: access.tls.ca.as_deref() };
        context.edges.forges.at(&self.place, &self.proof, way)
    }
}
