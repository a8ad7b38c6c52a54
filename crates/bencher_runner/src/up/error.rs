use std::path::PathBuf;

use thiserror::Error;

use super::Unfit;

/// Why `runner up` does not run, or not any more.
#[derive(Debug, Error)]
pub enum UpError {
    /// The server's address is none.
    #[error(
        "{address:?} is no address of a server: give http://HOST[:PORT] or https://HOST[:PORT]"
    )]
    Address {
        /// The address.
        address: String,
    },
    /// The proxy can not be used.
    #[error(
        "the environment's proxy for the server can not be used: give http://HOST[:PORT], or exempt the \
         server with NO_PROXY"
    )]
    Proxy,
    /// Another one runs.
    #[error(
        "another `runner up` of {runner} runs on this machine (it holds {}): stop it first, or give \
         this one its own --state-dir",
        path.display()
    )]
    Taken {
        /// The runner.
        runner: String,
        /// The lock.
        path: PathBuf,
    },
    /// The state folder can not be used.
    #[error(
        "failed to use {}: {source}; make it writable or choose another state folder with --state-dir",
        path.display()
    )]
    State {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The certificates can not be used.
    #[error("failed to use the certificates of {}: {reason}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The process can not do what it must.
    #[error("failed to start: {0}")]
    Start(std::io::Error),
    /// A new program has not come up.
    #[error("the new program has not come up: {source}")]
    NotUp {
        /// The one before it, which is to be started.
        program: PathBuf,
        /// Why.
        source: Box<UpError>,
    },
    /// This host can run no job.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The server does not want this runner.
    #[error("{0}")]
    Refused(String),
    /// Another one has its place at the server, or its key was rotated there.
    #[error(
        "the server has closed the connection in favour of a newer one of the same runner, or because the \
         runner's key was rotated there: this one stops, and does not take the place back. Where two hosts \
         use one --runner, as clones of one image do, give this one a runner of its own: make it at the \
         server, and start with its --runner and --key. A rotated key is given with --key"
    )]
    Replaced,
}
