//! Whom a guest asks for the addresses of names.

use std::fs;
use std::io;
use std::net::Ipv4Addr;

use super::NetworkError;

/// The host's configuration.
const HOST: &str = "/etc/resolv.conf";

/// What systemd-resolved asks itself, where the host's configuration names only it.
const UPSTREAM: &str = "/run/systemd/resolve/resolv.conf";

/// Resolvers read no more of them (`resolv.conf(5)`).
const MOST: usize = 3;

/// The host's name servers that others than the host can ask.
pub(super) fn of_host() -> Result<Vec<Ipv4Addr>, NetworkError> {
    let found = reachable(&read(HOST)?);
    if found.is_empty() {
        return Ok(reachable(&read(UPSTREAM)?));
    }
    Ok(found)
}

fn read(path: &'static str) -> Result<String, NetworkError> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        // A host may well know no names.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(NetworkError::Read { path, source }),
    }
}

/// Those in a `resolv.conf` that are not on the host's loopback interface.
fn reachable(text: &str) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some("nameserver"), Some(address)) = (words.next(), words.next()) else {
            continue;
        };
        let Ok(address) = address.parse::<Ipv4Addr>() else {
            continue;
        };
        // 0.0.0.0 is this host, too.
        if !address.is_loopback() && !address.is_unspecified() && !found.contains(&address) {
            found.push(address);
        }
    }
    found.truncate(MOST);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_those_that_others_can_ask() {
        for (text, expected) in [
            ("", vec![]),
            ("nameserver 192.0.2.53\n", vec![[192, 0, 2, 53]]),
            (
                "# a comment\nsearch example.org\n nameserver\t10.0.0.1 # first\nnameserver 10.0.0.2",
                vec![[10, 0, 0, 1], [10, 0, 0, 2]],
            ),
            ("nameserver 127.0.0.53\nnameserver 0.0.0.0\n", vec![]),
            (
                "nameserver fe80::1%eth0\nnameserver ::1\nnameserver x\n",
                vec![],
            ),
            ("#nameserver 10.0.0.1\nnameservers 10.0.0.1\n", vec![]),
            (
                "nameserver 10.0.0.1\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n\
                 nameserver 10.0.0.3\nnameserver 10.0.0.4\n",
                vec![[10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 0, 3]],
            ),
        ] {
            let expected: Vec<_> = expected.into_iter().map(Ipv4Addr::from).collect();
            assert_eq!(reachable(text), expected, "{text:?}");
        }
    }
}
