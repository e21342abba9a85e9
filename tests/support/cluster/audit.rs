//! Who asked the API server for what: its audit log.

use std::path::Path;

use serde_json::Value;

/// What is written down: each request of tests and ServiceAccounts, once it is answered; nothing of the server's own.
pub(super) const POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- {level: None, userGroups: ['system:unauthenticated']}
- {level: None, users: ['system:apiserver']}
- {level: Metadata}
";

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) user: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`
    pub(crate) verb: String,
    /// The API group; empty for the core group.
    pub(crate) group: String,
    /// The plural, with the subresource behind a slash: `imagepolicies/status`.
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) code: u64,
    pub(crate) uri: String,
}

impl Asked {
    fn read(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        let text = |pointer: &str| line.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut resource = text("/objectRef/resource");
        if let Some(part) = line.pointer("/objectRef/subresource").and_then(Value::as_str) {
            resource += "/";
            resource += part;
        }
        Some(Self {
            user: text("/user/username"),
            verb: text("/verb"),
            group: text("/objectRef/apiGroup"),
            resource,
            namespace: text("/objectRef/namespace"),
            name: text("/objectRef/name"),
            code: line.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or(0),
            uri: text("/requestURI"),
        })
    }

    /// Whether it was to change something.
    pub(crate) fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }
}

/// All that is written down so far. A line that is still being written is left out.
pub(super) fn read(log: &Path) -> Vec<Asked> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().filter_map(Asked::read).collect()
}
