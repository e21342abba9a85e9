//! stub
/// stub
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range;
