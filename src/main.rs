//! The `tagwright` binary.

fn main() {}
