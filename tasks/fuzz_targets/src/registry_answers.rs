//! What a registry and whoever answers in its name say beside images: challenges, tokens, redirects,
//! ranges, waits, types of manifests. No panic, errors of one harmless line, nothing that could not
//! stand in a header, and no way to less encryption.

use std::str::from_utf8;
use std::time::{Duration, SystemTime};

use bencher_oci::registry::untrusted::{
    Asked, challenge, content_range, follow, manifest_type, retry_after, token,
};

use crate::{Outcome, is_one_harmless_line};

/// The longest that a registry makes anybody wait.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Checks one input, which is taken for each of these in turn.
///
/// # Panics
/// If the promise is broken.
pub fn check(input: &[u8]) -> Outcome {
    let mut accepted = is_token(input);
    if let Ok(text) = from_utf8(input) {
        let text = text.trim_end_matches('\n');
        accepted |= is_challenge(text);
        accepted |= is_location(text);
        accepted |= is_range(text);
        accepted |= is_wait(text);
        accepted |= is_manifest(text);
    }
    if accepted {
        Outcome::Accepted
    } else {
        Outcome::Refused
    }
}

/// A token goes into a header.
fn is_token(input: &[u8]) -> bool {
    let Some((token, _life)) = token(input) else {
        return false;
    };
    let token = token.expose();
    assert!(!token.is_empty(), "no token");
    let is_plain = token.bytes().all(|byte| byte.is_ascii_graphic());
    assert!(is_plain, "not for a header: {token:?}");
    true
}

/// A header a line. What was understood of a challenge is understood the same when it is written down
/// as it should be.
fn is_challenge(text: &str) -> bool {
    let Some(asked) = challenge(text.lines()) else {
        return false;
    };
    let Asked::Token {
        realm,
        service,
        scope,
    } = &asked
    else {
        return true;
    };
    assert!(!realm.is_empty(), "a realm that is none");
    let parameters = [
        ("realm", Some(realm)),
        ("service", service.as_ref()),
        ("scope", scope.as_ref()),
    ];
    let written = parameters.into_iter().filter_map(|(name, value)| {
        let escaped = value?.replace('\\', "\\\\").replace('"', "\\\"");
        Some(format!("{name}=\"{escaped}\""))
    });
    let header = format!("Bearer {}", written.collect::<Vec<_>>().join(", "));
    // A longer one is not read to its end.
    if header.len() < 8 << 10 {
        assert_eq!(challenge([header.as_str()]), Some(asked), "{header}");
    }
    true
}

/// A `Location`, from an encrypted registry and from one that is not.
fn is_location(location: &str) -> bool {
    const REGISTRY: &str = "registry.example";
    let mut accepted = false;
    for is_encrypted in [true, false] {
        let scheme = if is_encrypted { "https" } else { "http" };
        match follow(&format!("{scheme}://{REGISTRY}/v2/"), location) {
            Err(error) => is_one_harmless_line(&error),
            Ok(target) => {
                accepted = true;
                is_one_harmless_line(&target.shown);
                assert!(!target.shown.contains('?'), "it may be signed: {target:?}");
                assert!(!target.host.is_empty(), "{target:?}");
                assert!(!target.host.contains('@'), "{target:?}");
                assert!(target.is_encrypted || !is_encrypted, "{target:?}");
                let is_home = target.host.eq_ignore_ascii_case(REGISTRY)
                    && target.is_encrypted == is_encrypted;
                assert!(is_home || !target.keeps_token, "{target:?}");
            }
        }
    }
    accepted
}

fn is_range(text: &str) -> bool {
    let Some((first, total)) = content_range(text) else {
        return false;
    };
    let whole = total.map_or_else(|| "*".to_owned(), |total| total.to_string());
    let again = format!("bytes {first}-{first}/{whole}");
    assert_eq!(content_range(&again), Some((first, total)));
    true
}

fn is_wait(text: &str) -> bool {
    let wait = retry_after(text, SystemTime::UNIX_EPOCH);
    assert!(wait.is_none_or(|wait| wait <= LONGEST_WAIT), "{wait:?}");
    wait.is_some()
}

/// A `Content-Type` in the first line, the manifest behind it.
fn is_manifest(text: &str) -> bool {
    let (content_type, manifest) = text.split_once('\n').unwrap_or(("", text));
    let found = manifest_type(content_type, manifest.as_bytes());
    if let Err(error) = &found {
        is_one_harmless_line(error);
    }
    found.is_ok()
}
