//! A process that runs for months: what is due when, and the tasks that do it.

pub mod agenda;
pub mod status;
