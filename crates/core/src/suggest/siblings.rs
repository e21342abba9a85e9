//! What the other tags of a repository say about one of them.

/// The tags of the repository, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Siblings<'s> {
    tags: Vec<&'s str>,
}

impl<'s> Siblings<'s> {
    /// Whether first numbers are years of two digits, and second ones months.
    pub(super) fn years_and_months(&self) -> bool {
        false
    }

    /// Whether the number of a token counts; none where the tags do not say.
    pub(super) fn role(&self, _at: usize) -> Option<bool> {
        let _ = &self.tags;
        None
    }
}
