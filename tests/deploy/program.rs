//! Programs that stand in for others.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Writes a script that can be run.
pub(crate) fn program(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The search path with this folder before all others.
pub(crate) fn on_path(folder: &Path) -> String {
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}
