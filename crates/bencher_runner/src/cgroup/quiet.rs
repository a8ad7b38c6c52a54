//! The cgroup of benchmarks that are to be quieter than other runs: one of a host at a time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What the runner calls it.
const NAME: &str = "bencher-runner.quiet";

/// Its folder, in the hierarchy whose root is `top`.
pub(crate) fn quiet(top: &Path) -> PathBuf {
    top.join(NAME)
}

/// Makes it, or says why not, as a clause.
pub(crate) fn make_quiet(top: &Path) -> Result<PathBuf, String> {
    let path = quiet(top);
    match fs::create_dir(&path) {
        Ok(()) => Ok(path),
        Err(error) => Err(said("make", &path, &error)),
    }
}

/// Writes `value` to `file` of a cgroup, or says why not, as a clause.
pub(crate) fn set(file: &Path, value: &str) -> Result<(), String> {
    fs::write(file, value).map_err(|error| said("write", file, &error))
}

fn said(action: &str, path: &Path, error: &io::Error) -> String {
    format!("failed to {action} {}: {error}", path.display())
}
