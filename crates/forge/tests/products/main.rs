//! Each product's client against a simulated forge that keeps the product's rules, over loopback.

#![allow(clippy::unwrap_used, missing_docs)]

mod commits;
mod life;
mod manners;
#[path = "../simulated.rs"]
mod simulated;

use forge::{Branches, Forges, Place, Product, Proof, Request, Wanted, Way};

use simulated::{Forge, TOKEN};

const HEAD: &str = "tagwright/shop/all";
const BRANCHES: Branches<'static> = Branches { head: HEAD, base: "main" };
const TIP: &str = "1111111111111111111111111111111111111111";

/// A forge, and what it takes to ask it.
struct Asking {
    forge: Forge,
    forges: Forges,
    place: Place,
    proof: Proof,
}

impl Asking {
    async fn of(product: Product) -> Self {
        let forge = Forge::start(product).await;
        forge
            .world()
            .branches
            .extend([("main", "0000"), (HEAD, TIP)].map(|(name, tip)| (name.to_owned(), tip.to_owned())));
        let remote = match product {
            Product::BitbucketDataCenter => "https://git.example.com/scm/acme/config.git",
            Product::AzureDevOps => "https://git.example.com/acme/shop/_git/config",
            _ => "https://git.example.com/acme/config.git",
        };
        let place = Place::of(remote, Some(product), Some(&forge.base)).unwrap();
        Self { forge, forges: Forges::default(), place, proof: Proof::Token(TOKEN.to_owned().into()) }
    }

    fn client(&self) -> forge::Forge<'_> {
        self.forges.at(&self.place, &self.proof, Way::default())
    }

    /// Opens a request; it has to be a new one.
    async fn open(&self) -> Request {
        match self.client().open(wanted("Update web to 1.4.2")).await.unwrap() {
            forge::Opened::New(request) => request,
            forge::Opened::Found(request) => panic!("{request:?}"),
        }
    }
}

const fn wanted(title: &str) -> Wanted<'_> {
    Wanted { branches: BRANCHES, title, body: "What changes.", draft: false, delete_branch: false }
}

const PRODUCTS: [Product; 7] = [
    Product::GitHub,
    Product::GitLab,
    Product::Gitea,
    Product::Forgejo,
    Product::Bitbucket,
    Product::BitbucketDataCenter,
    Product::AzureDevOps,
];
