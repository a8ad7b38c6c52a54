//! The kernel for hosts without apt-get: one of those that Firecracker's own continuous integration
//! tests with. It has everything built in that a guest of any VMM needs.

use crate::download::PinnedUrl;

const RELEASE: &str = "firecracker-ci/20260729-c69d0c0490e6-0";

/// Where it is, and SHA-256 of what must be there.
pub(crate) fn url() -> PinnedUrl {
    let (architecture, sha256) = if cfg!(target_arch = "aarch64") {
        (
            "aarch64",
            "ade81032eba1e102ca752b09034c9ef3b8fe61fde754517de362a48c1fdb5b3d",
        )
    } else {
        (
            "x86_64",
            "ec9394714b715925e57143532e0f76bba17b6b9d66f4e1ae7085455d3fc5bef5",
        )
    };
    PinnedUrl {
        url: format!(
            "https://s3.amazonaws.com/spec.ccfc.min/{RELEASE}/{architecture}/vmlinux-6.1.177"
        ),
        sha256: sha256.to_owned(),
    }
}
