//! What the container image tells the programs that run in it.

/// How memory is managed there, as variables of the environment: the unit in `deploy/systemd` says the same.
pub(crate) fn allocator() -> impl Iterator<Item = (&'static str, &'static str)> {
    let words = include_str!("../../Dockerfile").split_whitespace();
    words.filter(|word| word.starts_with("MALLOC_")).filter_map(|word| word.split_once('='))
}
