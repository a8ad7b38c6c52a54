//! A hostile image archive (an OCI layout or `docker save` as a tar): finding its files must not
//! panic, must end, and must give no name that leads out of the archive.

use std::io::{Seek as _, Write as _};

use crate::{Outcome, is_one_harmless_line};

/// Checks one input.
///
/// # Panics
/// If the promise is broken.
pub fn check(input: &[u8]) -> Outcome {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(input).expect("it takes the input");
    file.rewind().expect("it can be read from its beginning");
    match bencher_oci::list_archive(file) {
        Ok(names) => {
            for name in names {
                assert!(!name.starts_with('/'), "an absolute name: {name:?}");
                assert!(
                    name.split('/').all(|part| !matches!(part, "" | "." | "..")),
                    "a name that leads elsewhere: {name:?}"
                );
            }
            Outcome::Accepted
        }
        Err(error) => {
            is_one_harmless_line(&error.to_string());
            Outcome::Refused
        }
    }
}
