//! Where a job's image is: a pure decision.

use bencher_channel_protocol::JobConfig;

/// Where a job's image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The image by its digest: `HOST:PORT/PROJECT@sha256:…`.
    pub(super) name: String,
    /// The registry, if its address is one of plain HTTP.
    pub(super) plain: Option<String>,
}

/// Where the image of a job is.
///
/// # Errors
///
/// What is wrong with the registry's address.
pub(super) fn place(config: &JobConfig) -> Result<Place, String> {
    let address = config.registry.as_str();
    let refused = |reason: &str| {
        let shown = bencher_channel_protocol::Excerpt::new(address);
        format!("the job's registry {shown} can not be used: {reason}")
    };
    let (is_plain, rest) = match address.split_once("://") {
        Some(("https", rest)) => (false, rest),
        Some(("http", rest)) => (true, rest),
        _ => return Err(refused("it is no http:// or https:// address")),
    };
    let rest = rest.trim_end_matches('/');
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_harmless = |character: char| {
        character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | ':' | '[' | ']')
    };
    if host.is_empty() || !host.chars().all(is_harmless) {
        return Err(refused("it has no usable host"));
    }
    // A port makes it a registry's name in any case: `registry/x` would be one of Docker Hub's.
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| {
        !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    let host = match (has_port, is_plain) {
        (true, _) => host.to_owned(),
        (false, true) => format!("{host}:80"),
        (false, false) => format!("{host}:443"),
    };
    let prefix = if path.is_empty() {
        String::new()
    } else {
        format!("{path}/")
    };
    Ok(Place {
        name: format!("{host}/{prefix}{}@{}", config.project, config.digest),
        plain: is_plain.then_some(host),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::up::admission::tests::job;

    fn of(registry: &str) -> Result<Place, String> {
        let mut config = job().config;
        config.registry = registry.to_owned();
        place(&config)
    }

    #[test]
    fn images_are_named_by_registry_project_and_digest() {
        let tail = "11111111-2222-4333-8444-555555555555@sha256:\
                    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for (registry, host, plain) in [
            ("http://localhost:61016/", "localhost:61016", true),
            ("http://127.0.0.1:5000", "127.0.0.1:5000", true),
            (
                "https://registry.example.com/",
                "registry.example.com:443",
                false,
            ),
            ("https://registry", "registry:443", false),
            ("http://registry", "registry:80", true),
            ("https://[::1]", "[::1]:443", false),
            ("https://r.example/a/b//", "r.example:443/a/b", false),
        ] {
            let place = of(registry).unwrap();
            assert_eq!(place.name, format!("{host}/{tail}"), "{registry}");
            assert_eq!(place.plain, plain.then(|| host.to_owned()), "{registry}");
            let reference: Result<bencher_oci::registry::RegistryReference, _> = place.name.parse();
            reference.unwrap_or_else(|error| panic!("{registry}: {error}"));
        }
    }

    #[test]
    fn other_addresses_are_refused() {
        for registry in [
            "",
            "registry.example.com",
            "ftp://x",
            "https://",
            "https:///x",
            "https://a b/",
            "https://user@host/",
            "file:///etc",
        ] {
            let error = of(registry).unwrap_err();
            assert!(error.starts_with("the job's registry "), "{error}");
        }
    }
}
