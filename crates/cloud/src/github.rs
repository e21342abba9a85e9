//! GitHub Apps: tokens of an installation, asked for with the App's private key.

mod app;
mod flow;
