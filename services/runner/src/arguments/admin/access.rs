//! What `runner admin` is told of projects, tokens and credentials.

use clap::{Args, Subcommand, ValueEnum};

use super::{Ls, Show};
use crate::arguments::ServerOptions;

#[derive(Debug, Args)]
pub(crate) struct Projects {
    #[command(subcommand)]
    pub(crate) command: ProjectsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProjectsCommand {
    /// List projects, the newest first, with the identifiers that their images' repositories are called
    Ls(Ls),
    /// Print what is known of a project
    Show(Show),
    /// Make a project, and print its identifier
    Create(ProjectsCreate),
    /// Change what a project may have at a time; what is not named stays as it is
    Quota(ProjectsQuota),
}

#[derive(Debug, Args)]
pub(crate) struct ProjectsCreate {
    /// What it is to be called (slug): lower-case letters, digits and single hyphens
    #[arg(value_name = "NAME")]
    pub(crate) slug: String,
    /// What people read instead of its slug
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    #[command(flatten)]
    pub(crate) quota: QuotaOptions,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, Args)]
pub(crate) struct ProjectsQuota {
    /// The project: its slug or identifier
    #[arg(value_name = "NAME")]
    pub(crate) project: String,
    #[command(flatten)]
    pub(crate) quota: QuotaOptions,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

/// What a project may have.
#[derive(Debug, Args)]
pub(crate) struct QuotaOptions {
    /// How many of its jobs may wait [default of a new one: 10000]
    #[arg(long, value_name = "COUNT")]
    pub(crate) queued: Option<u32>,
    /// How many of its jobs runners may work on [default of a new one: 1000]
    #[arg(long, value_name = "COUNT")]
    pub(crate) active: Option<u32>,
    /// The highest priority that its jobs may ask for [default of a new one: 0]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) priority: Option<u8>,
}

#[derive(Debug, Args)]
pub(crate) struct Tokens {
    #[command(subcommand)]
    pub(crate) command: TokensCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokensCommand {
    /// List tokens, the newest first, without the tokens themselves
    Ls(Ls),
    /// Make a token, and print it: it is shown this once
    Create(TokensCreate),
    /// Make tokens worthless, at once
    Revoke(TokensRevoke),
}

#[derive(Debug, Args)]
pub(crate) struct TokensCreate {
    /// Whom or what it is for
    #[arg(value_name = "TEXT")]
    pub(crate) name: String,
    /// What it allows
    #[arg(long, value_enum)]
    pub(crate) role: TokenRole,
    /// The only project that it is for: its slug or identifier [default: all of them]
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TokenRole {
    /// To read
    Viewer,
    /// To submit, cancel and delete jobs as well
    Submitter,
    /// Everything
    Admin,
}

#[derive(Debug, Args)]
pub(crate) struct TokensRevoke {
    /// The tokens' identifiers, as `ls` lists them
    #[arg(value_name = "TOKEN-ID", required = true)]
    pub(crate) tokens: Vec<String>,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Credentials {
    #[command(subcommand)]
    pub(crate) command: CredentialsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CredentialsCommand {
    /// List the registries that a credential is kept for
    Ls(CredentialsLs),
    /// Keep a credential, instead of the one that was there: it is read from standard input
    Set(CredentialsSet),
    /// Forget credentials
    Rm(CredentialsRm),
}

#[derive(Debug, Args)]
pub(crate) struct CredentialsLs {
    /// Print one JSON document instead of a line for each
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, Args)]
pub(crate) struct CredentialsSet {
    #[arg(
        value_name = "URL",
        help = "The registry's address, as jobs name it: https://HOST[:PORT][/FOLDER/]"
    )]
    pub(crate) registry: String,
    /// Whose password standard input is: for each job the server asks the registry's token server for a
    /// token; without it standard input is a token, which runners get as it is
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, Args)]
pub(crate) struct CredentialsRm {
    /// The registries' addresses, as `ls` lists them
    #[arg(value_name = "URL", required = true)]
    pub(crate) registries: Vec<String>,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}
