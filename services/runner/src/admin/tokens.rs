//! `runner admin tokens`.

use bencher_report::text::table;
use bencher_server_api::{NewToken, Role, Token, TokenWithSecret};
use jiff::Timestamp;

use super::Session;
use super::shown::secret;
use crate::arguments::{Ls, TokenRole, TokensCommand, TokensCreate, TokensRevoke};
use crate::client::{encoded, listed, printable};
use crate::listing::{ago, cut};
use crate::terminal::Terminal;
use crate::{many, output};

const PATH: &str = "/v0/tokens";

pub(super) fn run(command: TokensCommand, terminal: &Terminal) -> Result<(), String> {
    match command {
        TokensCommand::Ls(command) => ls(&command, &Session::new(&command.server, terminal)?),
        TokensCommand::Create(command) => {
            let session = Session::new(&command.server, terminal)?;
            create(command, &session)
        }
        TokensCommand::Revoke(command) => {
            revoke(&command, &Session::new(&command.server, terminal)?)
        }
    }
}

fn ls(arguments: &Ls, session: &Session<'_>) -> Result<(), String> {
    let tokens = listed::<Token>(&session.connection, PATH, &[], arguments.limit)
        .map_err(|error| error.to_string())?;
    output::print(&tokens, arguments.json, |tokens| {
        listing(tokens, Timestamp::now(), output::look().width)
    })
}

fn create(arguments: TokensCreate, session: &Session<'_>) -> Result<(), String> {
    let new = NewToken {
        name: arguments.name,
        role: match arguments.role {
            TokenRole::Viewer => Role::Viewer,
            TokenRole::Submitter => Role::Submitter,
            TokenRole::Admin => Role::Admin,
        },
        project: arguments.project,
    };
    let made: TokenWithSecret = session
        .connection
        .post(PATH, &new)
        .map_err(|error| error.to_string())?;
    let what = format!(
        "this token is shown only now: keep it in a file for --token-file, or in BENCHER_TOKEN; \
         `runner admin tokens revoke {}` makes it worthless",
        printable(&made.token.id)
    );
    secret(&made.secret, &what, session.terminal)
}

fn revoke(arguments: &TokensRevoke, session: &Session<'_>) -> Result<(), String> {
    many::each(
        &arguments.tokens,
        "tokens were not revoked",
        session.terminal,
        |token| {
            let path = format!("{PATH}/{}", encoded(token));
            session.connection.delete(&path).map(|_| ())
        },
    )
}

/// What the columns that hold no names take: two identifiers, a role, an age, and two spaces between each of
/// all five columns and the next.
const FIXED: usize = 2 * 36 + 9 + 7 + 2 * 4;

fn listing(tokens: &[Token], now: Timestamp, width: usize) -> String {
    let most = width.saturating_sub(FIXED).max(8);
    let rows = tokens.iter().map(|token| {
        [
            printable(&token.id),
            token.role.name().to_owned(),
            cut(&printable(&token.name), most),
            printable(token.project.as_deref().unwrap_or("all")),
            match token.revoked {
                Some(_) => "revoked".to_owned(),
                None => ago(&token.created, now),
            },
        ]
    });
    table(["TOKEN", "ROLE", "NAME", "PROJECT", "AGE"], &["AGE"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_in_a_table_and_steer_no_terminal() {
        let id = "01a22910-5555-7000-8000-00000000000a";
        let token = |name: &str, role| Token {
            id: id.to_owned(),
            name: name.to_owned(),
            role,
            project: None,
            created: "2026-11-30T11:00:00Z".to_owned(),
            revoked: None,
        };
        let tokens = [
            token("first", Role::Admin),
            Token {
                project: Some(id.to_owned()),
                ..token("CI of a project with a long name", Role::Submitter)
            },
            Token {
                revoked: Some("2026-11-30T11:00:00Z".to_owned()),
                ..token("\u{1b}[2J", Role::Viewer)
            },
        ];
        let now = "2026-11-30T12:00:00Z".parse().expect("a moment");
        insta::assert_snapshot!(listing(&tokens, now, 120));
    }
}
