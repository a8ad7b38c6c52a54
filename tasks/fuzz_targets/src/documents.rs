//! The JSON documents of an image (index, manifest, configuration, `docker save`'s list) and the
//! texts in them: no panic, and errors that are one harmless line.

#![no_main]

use std::fmt::Display;

use bencher_oci::{
    Digest, Platform, StopSignal, UserSpec, parse_config, parse_docker_save, parse_index,
    parse_manifest, resolve_working_dir,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    check(parse_index(input));
    check(parse_manifest(input));
    check(parse_config(input));
    check(parse_docker_save(input));
    if let Ok(text) = std::str::from_utf8(input) {
        check(resolve_working_dir(text, None));
        check(resolve_working_dir("/", Some(text)));
        check(text.parse::<UserSpec>());
        check(text.parse::<StopSignal>());
        check(text.parse::<Platform>());
        if let Some(digest) = check(text.parse::<Digest>()) {
            assert_eq!(digest.to_string().parse().as_ref(), Ok(&digest));
        }
    }
});

fn check<T, E: Display>(result: Result<T, E>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            let text = error.to_string();
            assert!(
                !text.chars().any(char::is_control),
                "an error that controls the terminal: {text:?}"
            );
            None
        }
    }
}
