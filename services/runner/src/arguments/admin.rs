//! `runner admin`: what administrators do with a server.

mod access;
mod fleet;

use clap::{Args, Subcommand};

pub(crate) use access::{
    Credentials, CredentialsCommand, CredentialsRm, CredentialsSet, Projects, ProjectsCommand,
    ProjectsCreate, ProjectsQuota, QuotaOptions, TokenRole, Tokens, TokensCommand, TokensCreate,
    TokensRevoke,
};
pub(crate) use fleet::{
    MachineArchitecture, MachineOs, Releases, ReleasesCommand, ReleasesCreate, ReleasesRm, Runners,
    RunnersCommand, RunnersCreate, RunnersLink, SpecSandbox, Specs, SpecsCommand, SpecsCreate,
};

use super::ServerOptions;

/// Administers a server: its projects, tokens and credentials, its runners with their specs, and the
/// programs that runners become. Whatever changes something needs a token of role `admin` that is of no
/// single project.
#[derive(Debug, Args)]
pub(crate) struct Admin {
    #[command(subcommand)]
    pub(crate) command: AdminCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Projects: whose jobs they are, and what they may have at a time
    Projects(Projects),
    /// Specs: what a machine must be to run a job
    Specs(Specs),
    /// Runners: their keys, whether they are connected, and what they can run
    Runners(Runners),
    /// Tokens of users
    Tokens(Tokens),
    /// Programs that runners become by themselves
    Releases(Releases),
    /// Credentials of registries, for runners to pull with
    Credentials(Credentials),
}

/// A list.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    pub(crate) limit: u32,
    /// Print one JSON document instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

/// One thing that is shown.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Its name (slug) or identifier
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Print one JSON document instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

/// One thing that something is done with.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// Its name (slug) or identifier
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}
