//! Finding Firecracker, and understanding its version.

use std::path::{Path, PathBuf};

use crate::machine::MachineError;
use crate::paths::find_program;

const NAME: &str = "firecracker";

pub(super) fn find(program: Option<&Path>, cache: &Path) -> Result<PathBuf, MachineError> {
    if let Some(program) = program {
        let program = program.to_string_lossy().into_owned();
        return find_program(&program)
            .and_then(absolute)
            .ok_or(MachineError::NoFirecracker { program });
    }
    let fetched = place_in(cache);
    find_program(NAME)
        .or_else(|| find_program(&fetched.to_string_lossy()))
        .and_then(absolute)
        .ok_or_else(|| MachineError::NoFirecracker {
            program: NAME.to_owned(),
        })
}

/// The jail has the program where the host has it.
fn absolute(path: PathBuf) -> Option<PathBuf> {
    std::path::absolute(path).ok()
}

pub(super) fn place_in(cache: &Path) -> PathBuf {
    cache.join("firecracker").join(NAME)
}

/// The first two numbers of `1.13.1`, or of `1.17.0-dev`.
pub(super) fn number(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.trim_start_matches('v').split(['.', '-']);
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?.parse().ok()?;
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(number("1.13.1"), Some((1, 13)));
        assert_eq!(number("1.17.0-dev"), Some((1, 17)));
        assert_eq!(number("v2.0"), Some((2, 0)));
        assert!(number("1.9.0") < number("1.13.0"));
        assert_eq!(number("new"), None);
    }

    #[test]
    fn a_missing_program_is_named() {
        let cache = tempfile::tempdir().unwrap();
        let error = find(Some(Path::new("/no/such/fc")), cache.path()).unwrap_err();
        assert!(error.to_string().contains("/no/such/fc"), "{error}");
        assert!(error.to_string().contains("runner setup"), "{error}");
    }

    #[test]
    fn what_setup_fetched_is_found() {
        use std::os::unix::fs::PermissionsExt as _;
        let cache = tempfile::tempdir().unwrap();
        let place = place_in(cache.path());
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(&place, "").unwrap();
        std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755)).unwrap();
        let found = find(None, cache.path()).unwrap();
        // A machine may have one on its PATH, which comes first.
        assert!(found == place || found.ends_with("firecracker"));
    }
}
