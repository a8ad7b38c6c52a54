//! `runner install-service`.

use std::path::PathBuf;
use std::time::Duration;

use bencher_channel_protocol::RunnerId;
use bencher_runner::units::parse_duration;
use clap::Args;

/// Makes `runner up` a service of systemd: writes a unit, and a file with the key that only root can
/// read.
#[derive(Debug, Args)]
pub(crate) struct InstallService {
    #[arg(
        long,
        value_name = "URL",
        env = "BENCHER_HOST",
        help = "The server, as http://HOST[:PORT] or https://HOST[:PORT]"
    )]
    pub(crate) host: String,
    /// The UUID or the slug that this runner has there
    #[arg(long, value_name = "NAME", env = "BENCHER_RUNNER")]
    pub(crate) runner: RunnerId,
    /// This runner's key
    #[arg(
        long,
        value_name = "KEY",
        env = "BENCHER_RUNNER_KEY",
        hide_env_values = true,
        required_unless_present = "key_file"
    )]
    pub(crate) key: Option<String>,
    /// A file that holds this runner's key, and is read in the place of --key
    #[arg(long, value_name = "FILE", env = "BENCHER_RUNNER_KEY_FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// The unit's file
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/systemd/system/bencher-runner.service"
    )]
    pub(crate) unit: PathBuf,
    /// The file with the server's address, the runner's name and its key
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/bencher-runner/runner.env"
    )]
    pub(crate) environment: PathBuf,
    /// How long a job may go on when the service is stopped
    #[arg(long, value_name = "TIME", default_value = "60", value_parser = parse_duration)]
    pub(crate) drain_timeout: Duration,
    /// Print what would be written, without the key
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// More options for `runner up`
    #[arg(last = true, value_name = "OPTION")]
    pub(crate) options: Vec<String>,
}
