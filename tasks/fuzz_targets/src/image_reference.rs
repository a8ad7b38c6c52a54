//! What a user gives as `--image`, whatever is at the paths it may name. The first byte decides
//! what the file system says.

#![no_main]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use bencher_oci::{ImageReference, PathKind};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&world, text)) = input.split_first() else {
        return;
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
    let shown = match ImageReference::parse_with(OsStr::from_bytes(text), probe) {
        Ok(reference) => reference.to_string(),
        Err(error) => error.to_string(),
    };
    assert!(
        !shown.chars().any(char::is_control),
        "a text that controls the terminal: {shown:?}"
    );
});
