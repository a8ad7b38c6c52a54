//! Why there is no server.

use std::io::ErrorKind;
use std::path::PathBuf;

use crate::folder::FolderError;
use crate::key::NoRandomness;
use crate::outputs::OutputError;
use crate::registry::MinterError;
use crate::seal::SealError;
use crate::store::StoreError;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The data folder can not be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Another server has it.
    #[error(
        "another server uses {}: stop it, or let both use PostgreSQL (--database)",
        .0.display()
    )]
    InUse(PathBuf),
    /// The address can not be listened on.
    #[error("failed to listen on {address}: {cause}; choose another one with --listen")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        cause: std::io::Error,
    },
    /// The server broke off.
    #[error("failed to serve: {0}")]
    Serve(std::io::Error),
    /// The database can not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The outputs can not be used.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The secrets can not be used.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No tokens can be signed.
    #[error(transparent)]
    Mint(#[from] MinterError),
    /// No key can be made.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

impl ServerError {
    /// Whether it stays as it is until a person does something: to start the server again is of no use.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Folder(error) => matches!(error, FolderError::Exposed(_)),
            Self::Seal(error) => matches!(
                error,
                SealError::Open(_) | SealError::NoKey(_) | SealError::OtherKey(_)
            ),
            Self::Mint(error) => {
                matches!(error, MinterError::Key(_) | MinterError::Certificate(_))
            }
            Self::Listen { cause, .. } => matches!(
                cause.kind(),
                ErrorKind::InvalidInput | ErrorKind::PermissionDenied
            ),
            Self::Store(error) => error.is_lasting(),
            Self::InUse(_) | Self::Serve(_) | Self::Output(_) | Self::Random(_) => false,
        }
    }
}
