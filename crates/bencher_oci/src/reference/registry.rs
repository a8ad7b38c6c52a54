//! Telling the name of an image in a registry from other texts.
//!
//! The grammar is the one of the distribution project's `reference` package, which Docker and
//! containerd use: `[HOST[:PORT]/]NAME[/NAME…][:TAG][@DIGEST]`.

use std::net::Ipv6Addr;

use crate::Digest;

/// The longest name, host included, that the reference implementation accepts.
const MAX_NAME: usize = 255;

/// The parts of an image's name, each well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NameParts<'a> {
    /// `HOST[:PORT]`.
    pub(crate) host: Option<&'a str>,
    /// The name in the registry, without a host.
    pub(crate) path: &'a str,
    pub(crate) tag: Option<&'a str>,
    pub(crate) digest: Option<Digest>,
}

/// Whether `text` is a well-formed image name.
pub(crate) fn is_reference(text: &str) -> bool {
    split(text).is_some()
}

/// Splits a well-formed image name.
pub(crate) fn split(text: &str) -> Option<NameParts<'_>> {
    let (text, digest) = match text.split_once('@') {
        Some((text, digest)) => (text, Some(digest.parse().ok()?)),
        None => (text, None),
    };
    // A colon behind the last slash begins a tag; one before it begins a port.
    let last = text.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match text[last..].split_once(':') {
        Some((component, tag)) => (&text[..last + component.len()], Some(tag)),
        None => (text, None),
    };
    let (host, path) = match name.split_once('/') {
        Some((first, path)) if is_host(first) => (Some(first), path),
        _ => (None, name),
    };
    let is_name = name.len() <= MAX_NAME && path.split('/').all(is_component);
    (is_name && tag.is_none_or(is_tag)).then_some(NameParts {
        host,
        path,
        tag,
        digest,
    })
}

/// The first component is a host if it could not be part of a name on Docker Hub.
fn is_host(text: &str) -> bool {
    if let Some((address, port)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        let is_port = |port: &str| {
            port.strip_prefix(':')
                .is_some_and(|port| port.parse::<u16>().is_ok())
        };
        return address.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || is_port(port));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_distinct = host == "localhost"
        || host.contains('.')
        || port.is_some()
        || host.bytes().any(|byte| byte.is_ascii_uppercase());
    is_distinct
        && host.split('.').all(is_label)
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// Lower-case letters and digits, separated by `.`, `_`, `__` or any number of `-`.
fn is_component(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut separators = text.split(|character: char| u8::try_from(character).is_ok_and(is_word));
    let is_separator = |separator: &str| {
        matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
    };
    text.bytes().next().is_some_and(is_word)
        && text.bytes().next_back().is_some_and(is_word)
        && separators.all(is_separator)
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=128).contains(&text.len())
        && text.bytes().next().is_some_and(is_word)
        && text
            .bytes()
            .all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}

/// skopeo's names for places of images that this crate does not read.
pub(super) fn transport(text: &str) -> Option<&'static str> {
    const TRANSPORTS: [&str; 6] = [
        "containers-storage",
        "dir",
        "docker-daemon",
        "ostree",
        "sif",
        "tarball",
    ];
    TRANSPORTS.into_iter().find(|name| {
        text.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(':'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let digest = format!("@{}", Digest::sha256(b""));
        for name in [
            "busybox",
            "busybox:latest",
            "library/busybox:1.36",
            "docker.io/library/busybox",
            "localhost:5000/a/b:c",
            "ghcr.io/o/r-x_y__z:V1.2-3",
            "a--b/c.d",
            "MYHOST/a",
            "[::1]:5000/a",
            "[2001:db8::1]/a:b",
        ] {
            assert!(is_reference(name), "{name}");
            assert!(is_reference(&format!("{name}{digest}")), "{name}");
        }
        let long = "a".repeat(256);
        for name in [
            "",
            "Busybox",
            "a b",
            "a//b",
            "/a",
            "a/",
            "a:",
            "a:b:c",
            "a:-x",
            "a..b",
            "a___b",
            "-a",
            "a-",
            "a@b",
            "x:y/z:99999/a",
            "é",
            &long,
            "host.x:99999/a",
            "a:b/c",
            "[::1]5000/a",
            "[::1]:99999/a",
            "[localhost]/a",
        ] {
            assert!(!is_reference(name), "{name}");
        }
    }
}
