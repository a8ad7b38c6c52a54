//! What a user gives as `--image`, whatever is at the paths it may name. The first byte decides
//! what the file system says.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use crate::{Outcome, is_one_harmless_line};
use bencher_oci::{ImageReference, PathKind};

/// Checks one input.
///
/// # Panics
/// If the promise is broken.
pub fn check(input: &[u8]) -> Outcome {
    let Some((&world, text)) = input.split_first() else {
        return Outcome::Refused;
    };
    let probe = |path: &std::path::Path| {
        let bytes = path.as_os_str().as_bytes();
        let sum = bytes
            .iter()
            .fold(world, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte));
        match sum % 5 {
            0 => Some(PathKind::Layout),
            1 => Some(PathKind::Folder),
            2 => Some(PathKind::File),
            _ => None,
        }
    };
    let (shown, outcome) = match ImageReference::parse_with(OsStr::from_bytes(text), probe) {
        Ok(reference) => (reference.to_string(), Outcome::Accepted),
        Err(error) => (error.to_string(), Outcome::Refused),
    };
    is_one_harmless_line(&shown);
    outcome
}
