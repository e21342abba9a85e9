//! What is worth knowing about a configuration that is no problem.

use std::fmt;

use tagwright_core::change::Location;

/// Something worth knowing; prints as one line, with file and line in front where they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The place it is about; no file when it is about all of them.
    pub location: Location,
    /// One sentence, lower case, no final period.
    pub message: String,
    /// Whether something was written in vain.
    pub effect: Effect,
}

/// What becomes of the thing that a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It was written in vain.
    Lost,
    /// It is used, or it is for somebody else.
    Intended,
    /// It was not looked at, and a run does: it needs it, or refuses it.
    Unchecked,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Location { file, line, .. } = &self.location;
        match file.as_str() {
            "" => f.write_str(&self.message),
            object if *line == 0 => write!(f, "{object}: {}", self.message),
            file => write!(f, "{file}:{line}: {}", self.message),
        }
    }
}
