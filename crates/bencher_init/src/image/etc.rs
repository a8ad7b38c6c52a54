//! The files in `/etc` without which programs behave oddly.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::root::{Resolve, RootFolder};

/// Writes `/etc/hosts` and `/etc/hostname` where the image has nothing of that name. What it has
/// stays as it is, but for `/etc/resolv.conf` where there are name servers: those of the image are
/// not this guest's.
///
/// Returns what could not be written, for the log.
pub(crate) fn fill_etc(
    root: &RootFolder,
    hostname: &str,
    name_servers: &[Ipv4Addr],
) -> Vec<String> {
    if let Err(error) = root.folder("etc", 0o755, Resolve::InRoot) {
        return vec![format!("failed to {error}: {}", error.reason())];
    }
    let hosts = format!(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t{hostname}\n"
    );
    let files = [
        ("etc/hosts", hosts),
        ("etc/hostname", format!("{hostname}\n")),
    ];
    let mut notes: Vec<_> = files
        .into_iter()
        .filter_map(|(path, contents)| {
            let error = root.write_if_missing(path, &contents).err()?;
            Some(format!(
                "the image has no /{path}, and it can not be made: {error}"
            ))
        })
        .collect();
    if !name_servers.is_empty() {
        let replaced = root.replace("etc/resolv.conf", &resolv_conf(name_servers));
        if let Err(error) = replaced {
            notes.push(format!(
                "names can not be looked up: /etc/resolv.conf can not be written: {error}"
            ));
        }
    }
    notes
}

fn resolv_conf(name_servers: &[Ipv4Addr]) -> String {
    name_servers.iter().fold(String::new(), |mut text, server| {
        // A string takes whatever is written to it.
        let _ = writeln!(text, "nameserver {server}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_replace_those_of_the_image() {
        let folder = tempfile::tempdir().unwrap();
        let root = RootFolder::open(folder.path()).unwrap();
        let path = folder.path().join("etc/resolv.conf");
        assert!(fill_etc(&root, "box", &[]).is_empty());
        assert!(!path.exists(), "without name servers nothing is written");
        // A link to somewhere else stays a link of the image's: it is not followed.
        let elsewhere = folder.path().join("elsewhere");
        std::fs::write(&elsewhere, "the image's").unwrap();
        std::os::unix::fs::symlink("/elsewhere", &path).unwrap();
        let servers = [[192, 0, 2, 1].into(), [192, 0, 2, 2].into()];
        assert!(fill_etc(&root, "box", &servers).is_empty());
        let expected = "nameserver 192.0.2.1\nnameserver 192.0.2.2\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "the image's");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let notes = fill_etc(&root, "box", &servers);
        assert!(notes[0].contains("/etc/resolv.conf"), "{notes:?}");
    }
}
