//! tagwright keeps the image tags in a Git configuration repository current.

pub mod access;
pub mod automation;
pub mod change;
pub mod cli;
pub mod config;
pub mod dockerconfig;
pub mod edit;
pub mod files;
pub mod git;
pub mod image;
pub mod inventory;
pub mod mark;
pub mod marker;
pub mod message;
pub mod pattern;
pub mod plan;
pub mod policy;
pub mod registry;
pub mod report;
pub mod run;
pub mod suggest;
pub mod telemetry;
pub mod template;
pub mod version;
