//! `bencher-server install-service`.

use std::path::PathBuf;

use clap::Args;

/// Make `bencher-server serve` a service of systemd
///
/// Writes a unit, and a file with secrets that only root can read: those of these variables that are
/// set: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, and the database's address.
/// Where none is, a file that is there stays as it is.
#[derive(Debug, Args)]
pub(crate) struct InstallService {
    /// PostgreSQL instead of an SQLite file, as `postgres://USER:PASSWORD@HOST/DATABASE`
    #[arg(
        long,
        value_name = "URL",
        env = "BENCHER_SERVER_DATABASE",
        hide_env_values = true
    )]
    pub(crate) database: Option<String>,
    /// The user that it runs as, who must be there [default: one that is there only while it runs]
    #[arg(long, value_name = "NAME", value_parser = user)]
    pub(crate) user: Option<String>,
    /// The unit's file
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/systemd/system/bencher-server.service"
    )]
    pub(crate) unit: PathBuf,
    /// The file with the secrets
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/bencher-server/server.env"
    )]
    pub(crate) environment: PathBuf,
    /// Print what would be written, without the secrets
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// More options for `bencher-server serve`
    #[arg(last = true, value_name = "OPTION")]
    pub(crate) options: Vec<String>,
}

/// A name that stands for itself in a unit.
fn user(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if text.is_empty() || text.starts_with('-') || !text.bytes().all(is_plain) {
        return Err("a user's name has letters, digits, `_` and `-`".to_owned());
    }
    if text == "root" {
        return Err("the server needs no rights: choose another user".to_owned());
    }
    Ok(text.to_owned())
}
