//! Finding Firecracker, and understanding its version.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::MachineError;
use crate::paths::find_program;
use crate::printable::one_line;
use crate::said;

const NAME: &str = "firecracker";

pub(super) fn find(program: Option<&Path>, cache: &Path) -> Result<PathBuf, MachineError> {
    if let Some(program) = program {
        let program = program.to_string_lossy().into_owned();
        return find_program(&program)
            .and_then(|path| path.canonicalize().ok())
            .ok_or(MachineError::NoFirecracker { program });
    }
    let fetched = place_in(cache);
    find_program(NAME)
        .or_else(|| find_program(&fetched.to_string_lossy()))
        .and_then(|path| path.canonicalize().ok())
        .ok_or_else(|| MachineError::NoFirecracker {
            program: NAME.to_owned(),
        })
}

pub(super) fn place_in(cache: &Path) -> PathBuf {
    cache.join("firecracker").join(NAME)
}

/// The least version: it presents devices through ACPI, and has the API that is used here.
pub(super) const LEAST: &str = "1.13";

/// `version`, unless it is one that can not be used.
pub(super) fn new_enough(version: String) -> Result<String, MachineError> {
    if number(&version) >= number(LEAST) {
        return Ok(version);
    }
    Err(MachineError::OldFirecracker {
        found: version,
        least: LEAST,
    })
}

/// Whether `program` is a Firecracker that can be used.
pub(super) fn check(program: &Path) -> Result<(), MachineError> {
    version_of(program)
        .map_err(|reason| MachineError::NotFirecracker { reason })
        .and_then(new_enough)
        .map(drop)
}

/// What `program` says of its version, e.g. `1.15.1`; `None` when it is no Firecracker. Starts a
/// process, so it is asked only where no machine is to be started.
pub fn version(program: &Path) -> Option<String> {
    version_of(program).ok()
}

/// Its version, or why it says none.
fn version_of(program: &Path) -> Result<String, String> {
    let mut command = Command::new(program);
    let said = said::ask(command.arg("--version"), said::VERSION_WITHIN)
        .map_err(|error| error.to_string())?;
    let first = said.stdout.lines().next().unwrap_or_default();
    if let Some(version) = first.strip_prefix("Firecracker v") {
        return Ok(version.trim().to_owned());
    }
    let complaint = one_line(&said.stderr);
    Err(if complaint.is_empty() && said.status.success() {
        "it does not say which version it is".to_owned()
    } else if complaint.is_empty() {
        said.status.to_string()
    } else {
        complaint
    })
}

/// The first two numbers of `1.13.1`, or of `1.17.0-dev`.
fn number(version: &str) -> Option<(u32, u32)> {
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
        for (version, is_fit) in [
            ("1.13.0", true),
            ("2.0", true),
            ("1.12.9", false),
            ("?", false),
        ] {
            assert_eq!(new_enough(version.to_owned()).is_ok(), is_fit, "{version}");
        }
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
