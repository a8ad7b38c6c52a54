//! The JSON documents of an image (index, manifest, configuration, `docker save`'s list) and the
//! texts in them: no panic, and errors that are one harmless line.

use std::fmt::Display;

use crate::{Outcome, is_one_harmless_line};
use bencher_oci::{
    Digest, Platform, StopSignal, UserSpec, parse_config, parse_docker_save, parse_index,
    parse_manifest, resolve_working_dir,
};

/// Checks one input.
///
/// # Panics
/// If the promise is broken.
pub fn check(input: &[u8]) -> Outcome {
    let documents = [
        judge(parse_index(input)).is_some(),
        judge(parse_manifest(input)).is_some(),
        judge(parse_config(input)).is_some(),
        judge(parse_docker_save(input)).is_some(),
    ];
    let mut accepted = documents.contains(&true);
    if let Ok(text) = std::str::from_utf8(input) {
        judge(resolve_working_dir(text, None));
        judge(resolve_working_dir("/", Some(text)));
        accepted |= judge(text.parse::<UserSpec>()).is_some();
        accepted |= judge(text.parse::<StopSignal>()).is_some();
        accepted |= judge(text.parse::<Platform>()).is_some();
        if let Some(digest) = judge(text.parse::<Digest>()) {
            assert_eq!(digest.to_string().parse().as_ref(), Ok(&digest));
            accepted = true;
        }
    }
    if accepted {
        Outcome::Accepted
    } else {
        Outcome::Refused
    }
}

fn judge<T, E: Display>(result: Result<T, E>) -> Option<T> {
    result
        .map_err(|error| is_one_harmless_line(&error.to_string()))
        .ok()
}
