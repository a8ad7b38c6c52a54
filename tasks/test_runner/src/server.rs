//! The workspace's own `bencher-server`: how it is started, and its API.

mod api;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

pub(crate) use api::Api;

use crate::process::command;

/// `bencher-server serve` with its data in `folder`; without an address it takes one that is free.
pub(crate) fn serve(program: &Path, folder: &Path, address: Option<SocketAddr>) -> Command {
    let address = address.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let mut server = command(program);
    server
        .args(["serve", "--data-dir"])
        .arg(folder)
        .args(["--listen", &address.to_string()]);
    server
}

/// What a server prints when it starts.
#[derive(Debug, Default)]
pub(crate) struct Greeting {
    /// The first token of an empty database.
    pub(crate) token: Option<String>,
    /// Where it listens.
    pub(crate) address: Option<SocketAddr>,
}

impl Greeting {
    /// Hears a line; whether it was the last one.
    pub(crate) fn hear(&mut self, line: &str) -> bool {
        if let Some(token) = line.strip_prefix("admin token, shown only now: ") {
            self.token = Some(token.to_owned());
        }
        let address = line.strip_prefix("listening on http://");
        self.address = address.and_then(|address| address.parse().ok());
        self.address.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_ends_with_the_address() {
        let mut greeting = Greeting::default();
        assert!(!greeting.hear("admin token, shown only now: bencher_user_1"));
        assert!(!greeting.hear("listening soon"));
        assert!(greeting.hear("listening on http://127.0.0.1:61016"));
        assert_eq!(greeting.token.as_deref(), Some("bencher_user_1"));
        assert_eq!(
            greeting.address,
            Some(SocketAddr::from(([127, 0, 0, 1], 61016)))
        );
    }
}
