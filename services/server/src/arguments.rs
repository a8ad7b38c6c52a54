//! The command line.

mod install_service;

use std::path::PathBuf;
use std::time::Duration;

use bencher_server::store::Role;
use bencher_server::{Fronted, OutputPlace, Place, Settings};
use clap::{Args, Parser, Subcommand, ValueEnum};
use nix::unistd::geteuid;

pub(crate) use install_service::InstallService;

/// Seconds of a day.
const DAY: u32 = 24 * 3600;

/// Runs benchmark jobs on a fleet of runners
#[derive(Debug, Parser)]
#[command(name = "bencher-server", version, about)]
pub(crate) struct Arguments {
    /// How the log on standard error is written; `RUST_LOG` says how much
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, env = "BENCHER_LOG_FORMAT")]
    pub(crate) log_format: LogFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Take jobs from people and give them to runners, until told to stop
    Serve(Box<Serve>),
    /// Make tokens of users
    #[command(subcommand)]
    Token(Token),
    /// Give up secrets that are kept encrypted
    #[command(subcommand)]
    Secrets(Secrets),
    /// Print the API's OpenAPI document
    Openapi,
    InstallService(InstallService),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Secrets {
    /// Give up all credentials of registries and the values of jobs' variables, for a database whose
    /// `secrets.key` is lost: the server then starts with a new one
    Forget(SecretsForget),
}

#[derive(Debug, Args)]
pub(crate) struct SecretsForget {
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token and print it; it is shown only now
    Create(TokenCreate),
}

#[derive(Debug, Args)]
pub(crate) struct PlaceArguments {
    /// The folder for the database, the outputs and the keys [default: /var/lib/bencher-server as
    /// root, else $XDG_STATE_HOME/bencher-server]
    #[arg(long, value_name = "DIR", env = "BENCHER_SERVER_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// PostgreSQL instead of an SQLite file, as `postgres://USER:PASSWORD@HOST/DATABASE`; any number of
    /// servers may use it
    #[arg(
        long,
        value_name = "URL",
        env = "BENCHER_SERVER_DATABASE",
        hide_env_values = true
    )]
    database: Option<String>,
}

impl PlaceArguments {
    pub(crate) fn place(&self) -> Place {
        Place {
            folder: self.data_dir.clone().unwrap_or_else(default_folder),
            database: self.database.clone(),
            outputs: None,
        }
    }
}

fn default_folder() -> PathBuf {
    if geteuid().is_root() {
        return PathBuf::from("/var/lib/bencher-server");
    }
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let state = variable("XDG_STATE_HOME");
    state
        .unwrap_or_else(|| variable("HOME").unwrap_or_default().join(".local/state"))
        .join("bencher-server")
}

#[derive(Debug, Args)]
struct OutputArguments {
    #[arg(
        long = "outputs",
        help = "Where results of more than 16 KiB are kept: a folder, or S3-compatible storage with its \
                credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or given to the machine; \
                servers that share a database share this [default: `outputs` in the data folder]",
        value_name = "DIR|s3://BUCKET/PREFIX",
        env = "BENCHER_SERVER_OUTPUTS"
    )]
    place: Option<OutputPlace>,
    #[arg(
        long = "outputs-endpoint",
        help = "The address of the S3-compatible storage, as https://HOST:PORT [default: AWS, or what \
                AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL says]",
        value_name = "URL",
        env = "BENCHER_SERVER_OUTPUTS_ENDPOINT",
        requires = "place"
    )]
    endpoint: Option<String>,
    #[arg(
        long = "outputs-region",
        help = "The region of the S3-compatible storage [default: what AWS_REGION says, or us-east-1]",
        value_name = "REGION",
        env = "BENCHER_SERVER_OUTPUTS_REGION",
        requires = "place"
    )]
    region: Option<String>,
    /// How old results that no job has are when they are removed, in seconds, 3600 at least: far older
    /// than a result may take from its runner into the database
    #[arg(long = "remove-orphans-after", value_name = "SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(3600..))]
    orphans: u32,
}

impl OutputArguments {
    fn place(&self) -> Option<OutputPlace> {
        let mut place = self.place.clone()?;
        if let OutputPlace::Bucket(bucket) = &mut place {
            bucket.endpoint.clone_from(&self.endpoint);
            bucket.region.clone_from(&self.region);
        }
        Some(place)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    place: PlaceArguments,
    #[command(flatten)]
    outputs: OutputArguments,
    /// Where to listen; encryption is for a reverse proxy in front
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:61016",
        env = "BENCHER_SERVER_LISTEN"
    )]
    pub(crate) listen: String,
    /// At the first start make a project, a spec, an administrator's token and a runner of this name, and
    /// keep the secrets in the data folder: the beginning of a fleet on one machine
    #[arg(long, value_name = "NAME")]
    pub(crate) first_runner: Option<String>,
    /// At the first start write the administrator's token to this file, which only its owner can read,
    /// instead of showing it
    #[arg(long, value_name = "FILE")]
    pub(crate) first_token_file: Option<PathBuf>,
    /// The OpenTelemetry collector that is told of requests and of jobs, over HTTP (`http://HOST:4318`)
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    otlp_endpoint: Option<String>,
    /// The registry that trusts this server's tokens: its address, as jobs name it
    #[arg(long, value_name = "URL", env = "BENCHER_SERVER_REGISTRY")]
    registry: Option<String>,
    /// What the registry's configuration calls this server
    #[arg(
        long,
        value_name = "NAME",
        default_value = "bencher-server",
        requires = "registry"
    )]
    registry_issuer: String,
    /// What the registry's configuration calls itself
    #[arg(
        long,
        value_name = "NAME",
        default_value = "registry",
        requires = "registry"
    )]
    registry_service: String,
    /// How long a runner may be silent, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    heartbeat_timeout: u32,
    /// How long a runner may prepare a job, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u32).range(1..))]
    setup_timeout: u32,
    /// How much later than its time-out a job's end may be told, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    grace_period: u32,
    /// The longest message of a runner, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    max_message_size: u16,
    /// Jobs that may wait in all projects together
    #[arg(long, value_name = "JOBS", default_value_t = 100_000)]
    max_queued: u32,
    /// Delete jobs with their results so many days after their end, comparisons once all their jobs are that
    /// old [default: keep them for ever]
    #[arg(long, value_name = "DAYS", env = "BENCHER_SERVER_KEEP_JOBS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    keep_jobs: Option<u32>,
    /// How long this machine's time must have gone without a leap before a job is deleted for its age, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, hide = true)]
    keep_jobs_until_sure: u32,
    /// Requests of one token in a second, in the long run
    #[arg(long, value_name = "REQUESTS", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    rate_limit: u32,
    /// Those who watch jobs, at a time; a quarter of them with one token
    #[arg(long, value_name = "WATCHERS", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    max_watchers: u32,
    /// How long a client may take to send the headers of a request, and how long it may take nothing of what it
    /// is sent, or fall behind 64 kbit/s with it, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    client_timeout: u32,
    /// How long the body of a request may take to come, as a whole, in seconds: the longest one, of 1 MiB, comes
    /// in the default time over a link of 70 kbit/s
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..=3600))]
    body_timeout: u32,
}

impl Serve {
    pub(crate) fn place(&self) -> Place {
        Place {
            outputs: self.outputs.place(),
            ..self.place.place()
        }
    }

    pub(crate) fn fronted(&self) -> Option<Fronted> {
        self.registry.as_ref().map(|registry| Fronted {
            registry: registry.clone(),
            issuer: self.registry_issuer.clone(),
            service: self.registry_service.clone(),
        })
    }

    pub(crate) fn settings(&self) -> Settings {
        let seconds = |count: u32| Duration::from_secs(count.into());
        let mut settings = Settings {
            heartbeat: seconds(self.heartbeat_timeout),
            setup: seconds(self.setup_timeout),
            grace: seconds(self.grace_period),
            message: usize::from(self.max_message_size) << 20,
            queue: self.max_queued,
            orphans: seconds(self.outputs.orphans),
            keep: self.keep_jobs.map(|days| seconds(days) * DAY),
            believed: seconds(self.keep_jobs_until_sure),
            otlp_endpoint: self.otlp_endpoint.clone(),
            watchers: usize::try_from(self.max_watchers).unwrap_or(usize::MAX),
            client: seconds(self.client_timeout),
            body_time: seconds(self.body_timeout),
            ..Settings::default()
        };
        settings.requests.per_second = self.rate_limit.into();
        settings.requests.burst = f64::from(self.rate_limit) * 4.0;
        settings
    }
}

#[derive(Debug, Args)]
pub(crate) struct TokenCreate {
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
    /// What it is for
    #[arg(long)]
    pub(crate) name: String,
    /// What it allows
    #[arg(long, value_enum)]
    pub(crate) role: RoleArgument,
    /// The only project that it is for: its slug or identifier
    #[arg(long)]
    pub(crate) project: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArgument {
    /// To read
    Viewer,
    /// To submit and cancel jobs
    Submitter,
    /// Everything
    Admin,
}

impl From<RoleArgument> for Role {
    fn from(role: RoleArgument) -> Self {
        match role {
            RoleArgument::Viewer => Self::Viewer,
            RoleArgument::Submitter => Self::Submitter,
            RoleArgument::Admin => Self::Admin,
        }
    }
}
