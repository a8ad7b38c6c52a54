//! Why the server did not do what it was asked for.

use std::path::PathBuf;

use bencher_channel_protocol::Excerpt;

/// One line, complete in itself. What a server says is an excerpt: it may be hostile.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("{0} is not the address of a server: give http://HOST[:PORT] or https://HOST[:PORT]")]
    Host(Excerpt),
    #[error("there is no token: put it into BENCHER_TOKEN, or into a file for --token-file")]
    NoToken,
    #[error("failed to read the token in {}: {cause}", .path.display())]
    TokenFile {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("what was given as the token holds spaces or control characters: copy it again")]
    Token,
    #[error("failed to use the certificates: {0}")]
    Trust(String),
    #[error("failed to reach {host}: {cause}; is the server up, and the address right?")]
    Unreachable { host: String, cause: String },
    #[error("the server at {host} does not speak TLS: try http://{place}")]
    NotTls { host: String, place: String },
    #[error("what answers at {host} does not speak HTTP: try https://{place}")]
    NotHttp { host: String, place: String },
    #[error("the server refused (status {status}): {message}")]
    Refused { status: u16, message: String },
    #[error(
        "{host} answers with status {status}, and not as a bencher-server: is the address right?"
    )]
    Foreign { host: String, status: u16 },
    #[error("failed to understand the answer of {host}: {cause}; is it of another version?")]
    Answer { host: String, cause: String },
    #[error("the server sent an event that is longer than {0} bytes")]
    LongEvent(usize),
    #[error("failed to print the output: {0}")]
    Print(#[from] std::io::Error),
    #[error("the wait was interrupted")]
    Interrupted,
}

impl ClientError {
    /// Whether it may be gone when the same is asked for once more.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } | Self::Foreign { status, .. } => {
                [429, 502, 503, 504].contains(status)
            }
            _ => false,
        }
    }
}
