//! `runner admin credentials`.

use bencher_server_api::{Credential, NewCredential};

use super::Session;
use crate::arguments::{CredentialsCommand, CredentialsRm, CredentialsSet, read_secret};
use crate::client::{encoded, printable};
use crate::terminal::Terminal;
use crate::{many, output};

const PATH: &str = "/v0/credentials";

pub(super) fn run(command: CredentialsCommand, terminal: &Terminal) -> Result<(), String> {
    match command {
        CredentialsCommand::Ls(command) => {
            ls(command.json, &Session::new(&command.server, terminal)?)
        }
        CredentialsCommand::Set(command) => {
            let session = Session::new(&command.server, terminal)?;
            set(command, &session)
        }
        CredentialsCommand::Rm(command) => rm(&command, &Session::new(&command.server, terminal)?),
    }
}

fn ls(json: bool, session: &Session<'_>) -> Result<(), String> {
    let credentials: Vec<Credential> = session
        .connection
        .get(PATH)
        .map_err(|error| error.to_string())?;
    output::print(&credentials, json, |credentials| {
        let lines = credentials
            .iter()
            .map(|credential| printable(&credential.registry) + "\n");
        lines.collect()
    })
}

fn set(arguments: CredentialsSet, session: &Session<'_>) -> Result<(), String> {
    let is_password = arguments.username.is_some();
    let secret = read_secret(if is_password { "password" } else { "token" })?;
    let secret = Some(secret.expose().to_owned());
    let (token, password) = if is_password {
        (None, secret)
    } else {
        (secret, None)
    };
    let new = NewCredential {
        registry: arguments.registry,
        token,
        user: arguments.username,
        password,
    };
    session
        .connection
        .set(PATH, &new)
        .map_err(|error| error.to_string())
}

fn rm(arguments: &CredentialsRm, session: &Session<'_>) -> Result<(), String> {
    many::each(
        &arguments.registries,
        "credentials were not forgotten",
        session.terminal,
        |registry| {
            let path = format!("{PATH}?registry={}", encoded(registry));
            session.connection.delete(&path).map(|_| ())
        },
    )
}
