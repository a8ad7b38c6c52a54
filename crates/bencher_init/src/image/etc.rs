//! The two files in `/etc` without which programs behave oddly.

use super::root::{Resolve, RootFolder};

/// Writes `/etc/hosts` and `/etc/hostname` where the image has nothing of that name. What it has
/// stays as it is, `/etc/resolv.conf` included: there is no network to resolve names with.
///
/// Returns what could not be written, for the log.
pub(crate) fn fill_etc(root: &RootFolder, hostname: &str) -> Vec<String> {
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
    files
        .into_iter()
        .filter_map(|(path, contents)| {
            let error = root.write_if_missing(path, &contents).err()?;
            Some(format!(
                "the image has no /{path}, and it can not be made: {error}"
            ))
        })
        .collect()
}
