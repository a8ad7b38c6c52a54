//! Images in registries: the pull side of the OCI distribution specification, on one connection
//! pool, without a way to leak a token.
//!
//! ```text
//! name ─► RegistryClient::resolve ─► index ─► manifest of the platform, config   (RemoteImage)
//!                                                  │
//!         RegistryClient::fetch_layers ◄───────────┘
//!              │ │ │ │   several blobs at once, resumed, verified
//!              ▼ ▼ ▼ ▼
//!             BlobSink   of the caller's BlobStore
//! ```
//!
//! ```no_run
//! # use bencher_oci::registry::BlobStore;
//! # fn pull(store: &dyn BlobStore) -> Result<(), Box<dyn std::error::Error>> {
//! use bencher_oci::Platform;
//! use bencher_oci::registry::{RegistryClient, RegistryOptions, RegistryReference, Unobserved};
//!
//! let name: RegistryReference = "ghcr.io/owner/name:1.0".parse()?;
//! let client = RegistryClient::new(&name, RegistryOptions::from_env());
//! let image = client.resolve(&name, &Platform::host(), &Unobserved)?;
//! client.fetch_layers(&image, store, &Unobserved)?;
//! # Ok(())
//! # }
//! ```
//!
//! What a cancellation ends, it ends at once: connections in use are shut down, and a request is made
//! on a thread of its own until its answer begins, since a look-up and a connect can only be left
//! alone (`http`).
//!
//! It is built on `ureq` and not on a registry client such as `oci-client` (0.18): that one follows
//! redirects by the default of its HTTP library and asks whatever realm it is given, so private
//! addresses cannot be refused where they are connected to, and it has no resumption of its own,
//! no retries, no least rate and no limit for a manifest's size.
//!
//! **A token goes to the registry and the realm that it was meant for, and nowhere else.**
//!
//! * `Authorization` is only sent to the registry's own scheme, host and port; a redirect to
//!   anywhere else goes on without it (`session`).
//! * Redirects and realms are HTTP or HTTPS, never less encrypted than the registry, and never at
//!   a loopback, private, link-local or metadata address unless the registry is at such a one
//!   itself. The addresses that are checked are the ones that are connected to (`resolver`).
//!   Behind a proxy, which looks names up itself, only names and literal addresses can be checked.
//! * Secrets have no `Display`; an error message in which one would stand is replaced (`session`).
//!   The `log` crate's trace level, at which `ureq` writes whole requests, is compiled out.

mod address;
mod auth;
mod blob;
mod challenge;
mod client;
mod clock;
mod credentials;
mod error;
mod http;
mod image;
mod name;
mod options;
mod pace;
mod proxy;
mod redirect;
mod resolver;
mod retry;
mod secret;
mod session;
mod sink;
mod status;
mod token;
mod trust;
#[doc(hidden)]
pub mod untrusted;
mod url;

pub use address::AddressKind;
pub use client::RegistryClient;
pub use clock::{Clock, SystemClock};
pub use credentials::{AuthFileError, AuthFiles, CredentialError, Credentials, HelperError};
pub use error::{RegistryError, RegistryErrorReason};
pub use image::{RemoteDocument, RemoteImage};
pub use name::{RegistryReference, RegistryReferenceError};
pub use options::{RegistryOptions, Timeouts};
pub use pace::LeastRate;
pub use proxy::Proxies;
pub use redirect::RedirectError;
pub use resolver::{AddressError, HostNames, SystemNames};
pub use retry::RetryPolicy;
pub use secret::Secret;
pub use sink::{BlobSink, BlobStore, PullEvent, PullObserver, Unobserved};
pub use token::{RealmError, Token};
pub use trust::{is_not_tls, verified as verified_tls};
pub use url::UrlError;
