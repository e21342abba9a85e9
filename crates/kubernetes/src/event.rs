//! What happened to which object, as it is told.

use crate::kind::Map;
use crate::object::Object;

/// The object that something happened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Group and version.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// The namespace; empty for objects that are in none.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// What tells it from others of its name.
    pub uid: String,
    /// Which state of it.
    pub resource_version: String,
}

impl Subject {
    /// An object of this kind, as it is.
    #[must_use]
    pub fn of(object: &Object, kind: &str) -> Self {
        Self {
            api_version: object.api_version.clone(),
            kind: kind.to_owned(),
            namespace: object.key.namespace.clone(),
            name: object.key.name.clone(),
            uid: object.uid.clone(),
            resource_version: object.resource_version.clone(),
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Which controller says so, such as `image-reflector-controller`.
    pub component: String,
    /// Whether it is good or bad.
    pub level: Level,
    /// A word in `CamelCase`.
    pub reason: String,
    /// The sentence, possibly of several lines.
    pub message: String,
    /// What goes along for whoever listens.
    pub annotations: Map,
}

/// Whether what happened is good or bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// It is as it should be: `Normal`, `info`.
    Normal,
    /// Something failed: `Warning`, `error`.
    Warning,
}

/// The longest message that is told, in bytes.
pub const MAX_MESSAGE: usize = 8 << 10;

/// The most that goes along, in bytes, names and values together; what does not fit is left out.
const MAX_ANNOTATIONS: usize = 8 << 10;

impl Event {
    /// The same within bounds.
    pub(crate) fn bounded(mut self) -> Self {
        if self.message.len() > MAX_MESSAGE {
            let end = self.message.floor_char_boundary(MAX_MESSAGE - '…'.len_utf8());
            self.message.truncate(end);
            self.message.push('…');
        }
        let mut left = MAX_ANNOTATIONS;
        self.annotations.retain(|name, value| {
            let rest = left.checked_sub(name.len() + value.len());
            left = rest.unwrap_or(left);
            rest.is_some()
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(message: String, annotations: Map) -> Event {
        let (component, reason) = ("bot".to_owned(), "Succeeded".to_owned());
        Event { component, level: Level::Normal, reason, message, annotations }
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        let message = event("é".repeat(MAX_MESSAGE), Map::new()).bounded().message;
        assert!(message.len() <= MAX_MESSAGE && message.len() > MAX_MESSAGE - 4, "{}", message.len());
        assert!(message.ends_with("é…"));
        let short = event("é".to_owned(), Map::new());
        assert_eq!(short.clone().bounded(), short);
    }

    #[test]
    fn what_does_not_fit_does_not_go_along() {
        let long = ("a".to_owned(), "x".repeat(MAX_ANNOTATIONS));
        let short = ("b".to_owned(), "y".to_owned());
        let kept = event(String::new(), [long, short.clone()].into_iter().collect()).bounded().annotations;
        assert_eq!(kept, [short].into_iter().collect());
    }
}
