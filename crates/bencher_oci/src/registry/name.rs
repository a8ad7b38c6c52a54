//! The name of an image in a registry: which host, which repository, which of its images.

use std::fmt;
use std::str::FromStr;

use crate::reference::registry::split;
use crate::{Digest, Excerpt};

/// Docker Hub, as images are named after it, and the host that serves them.
const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";
/// Other names of the same place.
const DOCKER_HUB_ALIASES: [&str; 2] = ["index.docker.io", DOCKER_HUB_HOST];
/// Where Docker Hub keeps the images that have no owner in their name.
const DOCKER_HUB_LIBRARY: &str = "library/";

/// An image in a registry: `[HOST[:PORT]/]NAME[:TAG][@DIGEST]`, as Docker and containerd read it.
///
/// Without a host it is on Docker Hub, without a tag and a digest it is `latest`, and where there
/// are both the digest decides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RegistryReference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
    is_short: bool,
}

/// A text that is not a [`RegistryReference`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not the name of an image in a registry: expected [HOST[:PORT]/]NAME[:TAG][@DIGEST], in \
     lower case, such as ghcr.io/owner/name:1.0"
)]
pub struct RegistryReferenceError(Excerpt);

impl RegistryReference {
    /// The registry as it is named: `docker.io`, `ghcr.io`, `localhost:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The host, with the port if one is named, that serves the registry's images: the registry
    /// itself, but for Docker Hub.
    pub fn host(&self) -> &str {
        match self.registry.as_str() {
            DOCKER_HUB => DOCKER_HUB_HOST,
            registry => registry,
        }
    }

    /// The name within the registry: `library/busybox`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, where no digest is named beside it.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref().filter(|_| self.digest.is_none())
    }

    /// The digest of the manifest or of the index.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Whether no registry was named, so that Docker Hub was assumed: worth telling the user.
    pub fn is_short(&self) -> bool {
        self.is_short
    }

    /// What stands behind `manifests/` in the distribution specification's URLs.
    pub(super) fn manifest(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }
}

impl FromStr for RegistryReference {
    type Err = RegistryReferenceError;

    fn from_str(text: &str) -> Result<Self, RegistryReferenceError> {
        let bare = text.strip_prefix("docker://").unwrap_or(text);
        let parts = split(bare).ok_or_else(|| RegistryReferenceError(Excerpt::new(text)))?;
        let registry = match parts.host {
            None => DOCKER_HUB.to_owned(),
            Some(host) => match host.to_ascii_lowercase() {
                lower if DOCKER_HUB_ALIASES.contains(&lower.as_str()) => DOCKER_HUB.to_owned(),
                lower if lower.contains(['.', ':']) || lower == "localhost" => lower,
                // Only its case tells it from a part of a name.
                _ => host.to_owned(),
            },
        };
        let repository = if registry == DOCKER_HUB && !parts.path.contains('/') {
            format!("{DOCKER_HUB_LIBRARY}{}", parts.path)
        } else {
            parts.path.to_owned()
        };
        let tag = match (parts.tag, &parts.digest) {
            (None, None) => Some("latest".to_owned()),
            (tag, _) => tag.map(str::to_owned),
        };
        Ok(Self {
            registry,
            repository,
            tag,
            digest: parts.digest,
            is_short: parts.host.is_none(),
        })
    }
}

/// The full name: `docker.io/library/busybox:latest`.
impl fmt::Display for RegistryReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn full_names_and_the_hosts_that_serve_them() {
        let digest = Digest::sha256(b"");
        let pinned = format!("ghcr.io/o/r:1@{digest}");
        for (text, full, host) in [
            (
                "busybox",
                "docker.io/library/busybox:latest",
                "registry-1.docker.io",
            ),
            ("o/r:1", "docker.io/o/r:1", "registry-1.docker.io"),
            (
                "index.docker.io/busybox",
                "docker.io/library/busybox:latest",
                "registry-1.docker.io",
            ),
            (
                "docker://Docker.IO/a/b/c",
                "docker.io/a/b/c:latest",
                "registry-1.docker.io",
            ),
            ("localhost/a", "localhost/a:latest", "localhost"),
            ("HOST:5000/a:T", "host:5000/a:T", "host:5000"),
            ("HOST/a", "HOST/a:latest", "HOST"),
            ("[::1]:5000/a/b", "[::1]:5000/a/b:latest", "[::1]:5000"),
            (&pinned, &pinned, "ghcr.io"),
        ] {
            let reference: RegistryReference = text.parse().unwrap();
            assert_eq!(
                (reference.to_string().as_str(), reference.host()),
                (full, host)
            );
            // The full name means the same.
            let again: RegistryReference = full.parse().unwrap();
            assert_eq!(again.to_string(), full);
        }
    }

    #[test]
    fn a_digest_decides_before_a_tag() {
        let digest = Digest::sha256(b"");
        let pinned: RegistryReference = format!("ghcr.io/o/r:1@{digest}").parse().unwrap();
        assert_eq!((pinned.tag(), pinned.digest()), (None, Some(&digest)));
        assert_eq!(pinned.manifest(), digest.to_string());
        let tagged: RegistryReference = "ghcr.io/o/r:1".parse().unwrap();
        assert_eq!((tagged.tag(), tagged.manifest().as_str()), (Some("1"), "1"));
    }

    #[test]
    fn short_names_are_known_as_such() {
        for (text, is_short) in [
            ("busybox", true),
            ("o/r", true),
            ("docker.io/busybox", false),
        ] {
            let reference: RegistryReference = text.parse().unwrap();
            assert_eq!(reference.is_short(), is_short, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "A",
            "http://a.b/c",
            "a b",
            "../x",
            "a@sha256:1",
            "docker://",
        ] {
            let error = text.parse::<RegistryReference>().unwrap_err().to_string();
            assert!(
                error.contains("is not the name of an image in a registry"),
                "{error}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_full_name_means_itself(text in "([a-zA-Z0-9.:-]{0,12}/)?[a-z0-9._/-]{0,12}(:[a-zA-Z0-9._-]{0,6})?|.{0,40}") {
            if let Ok(reference) = text.parse::<RegistryReference>() {
                let full = reference.to_string();
                let again = full.parse::<RegistryReference>().unwrap();
                prop_assert_eq!(again.to_string(), full);
                prop_assert_eq!(again.host(), reference.host());
                prop_assert_eq!(again.repository(), reference.repository());
                // What becomes a part of a URL cannot lead out of its place in it.
                prop_assert!(!reference.repository().split('/').any(|part| part.starts_with('.')));
            }
        }
    }
}
