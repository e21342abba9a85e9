//! Many receivers, found by where somebody sends to.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::Receiver;

/// All receivers. One is found without a look at the others, since anybody may ask, and a cluster may have thousands.
#[derive(Debug, Default)]
pub struct Receivers {
    /// By the hash of what stands in the path.
    by_path: HashMap<[u8; 32], Arc<Receiver>>,
    by_name: HashMap<String, HashMap<String, Arc<Receiver>>>,
}

impl Receivers {
    /// The one at `/hook/DIGEST`.
    ///
    /// What is looked for is hashed once more, so that the time says nothing of how much of it is right.
    #[must_use]
    pub fn at(&self, digest: &str) -> Option<&Arc<Receiver>> {
        self.by_path.get(&hash(digest))
    }

    /// The one of this name, in its namespace.
    #[must_use]
    pub fn named(&self, namespace: &str, name: &str) -> Option<&Arc<Receiver>> {
        self.by_name.get(namespace)?.get(name)
    }
}

impl From<Vec<Arc<Receiver>>> for Receivers {
    /// Of several with one name or digest, the first one counts.
    fn from(all: Vec<Arc<Receiver>>) -> Self {
        let mut receivers = Self::default();
        for receiver in all {
            let names = receivers.by_name.entry(receiver.namespace.clone()).or_default();
            names.entry(receiver.name.clone()).or_insert_with(|| Arc::clone(&receiver));
            receivers.by_path.entry(hash(&receiver.digest())).or_insert(receiver);
        }
        receivers
    }
}

fn hash(digest: &str) -> [u8; 32] {
    Sha256::digest(digest.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::Source;

    fn receiver(namespace: &str, name: &str, token: &str) -> Arc<Receiver> {
        Arc::new(Receiver {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            source: Source::Generic,
            token: token.to_owned().into(),
            events: Vec::new(),
            scope: None,
            identity: None,
        })
    }

    #[test]
    fn each_is_found_where_it_is_and_nowhere_else() {
        let (one, two, again) = (receiver("a", "ci", "1"), receiver("b", "ci", "2"), receiver("a", "ci", "3"));
        let all = Receivers::from(vec![Arc::clone(&one), Arc::clone(&two), Arc::clone(&again)]);
        assert!(Arc::ptr_eq(all.named("a", "ci").unwrap(), &one) && Arc::ptr_eq(all.named("b", "ci").unwrap(), &two));
        assert!(Arc::ptr_eq(all.at(&two.digest()).unwrap(), &two));
        assert!(all.named("a", "c").is_none() && all.named("", "ci").is_none() && all.named("ci", "a").is_none());
        assert!(
            all.at("").is_none()
                && all.at(&one.digest()[1..]).is_none()
                && all.at(&one.digest().to_uppercase()).is_none()
        );
    }
}
