//! Every JSON document that leaves the program or is read by it: each shape once, and as data alone.
//!
//! | document | printed or served by | module |
//! |---|---|---|
//! | parts of these | `GET /api/v1/…` | `api` |
//! | a run | `run --once --output json` | `run` |
//! | edits of a directory | `set --output json`; `message --changes` reads the changes | `edit` |
//! | a trial of a policy | `select --output json` | `select` |
//! | a policy explained | `explain --output json` | `explain` |
//! | new markers and policies | `mark --output json` | `mark` |
//! | findings | `check --output json` | `check` |
//! | what a bot needs | `doctor --output json` | `doctor` |
//! | what a bot is at | `status`, `GET /api/v1/status`, and the file that a bot leaves | [`status`] |
//! | what the objects of a cluster say | `status --kubernetes` | `objects` |
//! | registries, remotes, replicas | parts of `status`, `GET /api/v1/registries`, `…/remotes`, `…/replicas` | [`machinery`] |
//! | what was done | `history`, `GET /api/v1/history` | `history` |
//! | the images that Git references | `images --output json` | `images` |
//! | freezes | `status`, `POST /api/v1/freeze` and `…/unfreeze` | [`freeze`] |
//! | what a bot is asked | the other requests of `server` | `request` |
//!
//! The types know nothing of how their values come about: those who print them fill them. Fields are printed in the order in
//! which they stand here, and neither their names nor their order change without a line in the changelog. What is not known is
//! an empty text where docs/reference/json.md does not say otherwise. SARIF is not ours and stands in `report::sarif`; the
//! rows of the store's file, which nobody else reads, stand in `store` and hold fields as they are here.

pub(crate) mod api;
pub(crate) mod check;
pub(crate) mod doctor;
pub(crate) mod edit;
pub(crate) mod explain;
mod field;
pub mod freeze;
pub(crate) mod history;
pub(crate) mod images;
pub(crate) mod import;
pub mod machinery;
pub(crate) mod mark;
pub(crate) mod objects;
pub(crate) mod request;
pub(crate) mod run;
pub(crate) mod select;
pub mod status;
pub mod submit;

pub use self::field::{ChangedField, HeldField};
