//! `runner admin`.

mod credentials;
mod projects;
mod releases;
mod runners;
mod shown;
mod specs;
mod tokens;

use crate::arguments::{Admin, AdminCommand, ServerOptions};
use crate::client::Connection;
use crate::submit::connect;
use crate::terminal::Terminal;
use crate::work;

pub(crate) fn run(arguments: Admin, terminal: Terminal) -> u8 {
    work::run(terminal, move |terminal, _| match arguments.command {
        AdminCommand::Projects(of) => projects::run(of.command, terminal),
        AdminCommand::Specs(of) => specs::run(of.command, terminal),
        AdminCommand::Runners(of) => runners::run(of.command, terminal),
        AdminCommand::Tokens(of) => tokens::run(of.command, terminal),
        AdminCommand::Releases(of) => releases::run(of.command, terminal),
        AdminCommand::Credentials(of) => credentials::run(of.command, terminal),
    })
}

/// A server, and where to tell what is not the answer.
struct Session<'a> {
    connection: Connection,
    terminal: &'a Terminal,
}

impl<'a> Session<'a> {
    fn new(server: &ServerOptions, terminal: &'a Terminal) -> Result<Self, String> {
        Ok(Self {
            connection: connect(server, terminal)?,
            terminal,
        })
    }
}
