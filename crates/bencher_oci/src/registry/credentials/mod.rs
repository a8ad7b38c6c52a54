//! Who asks: given by the user, or found in the files and helpers of Docker and Podman.
//!
//! ```text
//! given ─► $REGISTRY_AUTH_FILE ─► $DOCKER_CONFIG/config.json
//!       ─► $XDG_RUNTIME_DIR/containers/auth.json ─► $XDG_CONFIG_HOME/containers/auth.json
//!       ─► ~/.docker/config.json ─► nobody
//! ```
//!
//! The first file that knows the registry decides; within a file its own helper of the registry
//! (`credHelpers`), then what the file holds (`auths`), then its helper of all registries
//! (`credsStore`).

mod auth_file;
mod helper;
mod search;

use super::Secret;

pub use auth_file::AuthFileError;
pub use helper::HelperError;
pub use search::{AuthFiles, CredentialError};

/// Who asks a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody in particular.
    Anonymous,
    /// A user with a password or with an access token in the place of one.
    Password {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A token that the registry's token server gives other tokens for (OAuth 2.0's refresh
    /// token; Docker: identity token).
    IdentityToken(Secret),
    /// A token for the registry itself: sent as it is, and to the registry only.
    Token(Secret),
}

impl Credentials {
    /// Whether this is nobody in particular.
    pub fn is_anonymous(&self) -> bool {
        *self == Self::Anonymous
    }
}
