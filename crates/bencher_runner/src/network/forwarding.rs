//! Letting the host's interfaces forward packets as long as there is a guest with a way out.
//!
//! The kernel forwards what comes in on an interface that may. Where the host forwards anyhow,
//! nothing is changed. Where it does not, the interfaces with a route are switched on for as long
//! as there is such a guest, rules keep them from forwarding anything but what is a guest's, and
//! they are switched off with the last one. What was switched on is written down first, so that the
//! next runner can do it after one that was killed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::net::if_::if_nametoindex;
use serde::{Deserialize, Serialize};

use super::NetworkError;
use super::routes::Route;
use super::rules::PREFIX;

const SETTINGS: &str = "/proc/sys/net/ipv4/conf";

/// The file beside the slots.
const JOURNAL: &str = "forwarding";

/// An interface that was switched on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Changed {
    name: String,
    /// Tells it from a later one of that name.
    index: u32,
}

/// Switches on whatever has a route, once `guard` has made sure that all that is switched on,
/// earlier ones included, forward nothing but what is a guest's. The slots must be locked.
pub(super) fn switch_on(
    folder: &Path,
    routes: &[Route],
    guard: impl FnOnce(&[String]) -> Result<(), NetworkError>,
) -> Result<(), NetworkError> {
    let mut off: Vec<&str> = routes
        .iter()
        .map(|route| route.interface.as_str())
        .filter(|name| !name.starts_with(PREFIX) && !is_on(name))
        .collect();
    off.sort_unstable();
    off.dedup();
    if off.is_empty() {
        return Ok(());
    }
    let mut changed = read(folder)?;
    for name in &off {
        // One that has just gone needs nothing.
        let Ok(index) = if_nametoindex(*name) else {
            continue;
        };
        let name = (*name).to_owned();
        let one = Changed { name, index };
        if !changed.contains(&one) {
            changed.push(one);
        }
    }
    write(folder, &changed)?;
    let all: Vec<_> = changed.into_iter().map(|one| one.name).collect();
    guard(&all)?;
    for name in off {
        set(name, "1")?;
    }
    Ok(())
}

/// Switches off what was switched on. The slots must be locked, and no guest be left.
pub(super) fn switch_off(folder: &Path) -> Result<(), NetworkError> {
    // Whoever lets the whole host forward meanwhile means these interfaces too.
    let is_wanted = fs::read_to_string("/proc/sys/net/ipv4/ip_forward")
        .is_ok_and(|setting| setting.trim() == "1");
    for one in read(folder)? {
        let is_same = if_nametoindex(one.name.as_str()).is_ok_and(|index| index == one.index);
        if is_same && !is_wanted {
            set(&one.name, "0")?;
        }
    }
    let journal = folder.join(JOURNAL);
    match fs::remove_file(&journal) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(journal_error(&journal)(error))
        }
        _ => Ok(()),
    }
}

/// Lets one interface forward.
pub(super) fn let_forward(name: &str) -> Result<(), NetworkError> {
    set(name, "1")
}

/// Whether there is an interface of that name.
pub(super) fn exists(name: &str) -> bool {
    Path::new(SETTINGS).join(name).exists()
}

fn setting(name: &str) -> PathBuf {
    Path::new(SETTINGS).join(name).join("forwarding")
}

fn is_on(name: &str) -> bool {
    fs::read_to_string(setting(name)).is_ok_and(|setting| setting.trim() == "1")
}

fn set(name: &str, value: &str) -> Result<(), NetworkError> {
    let path = setting(name);
    fs::write(&path, value).map_err(|source| NetworkError::Setting { path, source })
}

fn read(folder: &Path) -> Result<Vec<Changed>, NetworkError> {
    let journal = folder.join(JOURNAL);
    let text = match fs::read(&journal) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(journal_error(&journal)(error)),
    };
    serde_json::from_slice(&text).map_err(|error| journal_error(&journal)(error.into()))
}

/// Whole or not at all: a runner may be killed at any moment.
fn write(folder: &Path, changed: &[Changed]) -> Result<(), NetworkError> {
    let journal = folder.join(JOURNAL);
    let new = folder.join(format!("{JOURNAL}.new"));
    let text =
        serde_json::to_vec(changed).map_err(|error| journal_error(&journal)(error.into()))?;
    fs::write(&new, text)
        .and_then(|()| fs::rename(&new, &journal))
        .map_err(journal_error(&journal))
}

fn journal_error(path: &Path) -> impl FnOnce(io::Error) -> NetworkError + use<> {
    let path = path.to_owned();
    move |source| NetworkError::Reserve { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_switched_on_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), []);
        let changed = [Changed {
            name: "no-such0".to_owned(),
            index: 1,
        }];
        write(folder.path(), &changed).unwrap();
        assert_eq!(read(folder.path()).unwrap(), changed);
        // The interface has gone, and its setting with it.
        switch_off(folder.path()).unwrap();
        assert_eq!(read(folder.path()).unwrap(), []);
        switch_off(folder.path()).unwrap();
    }

    #[test]
    fn a_damaged_journal_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(JOURNAL), "{").unwrap();
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("/forwarding: "), "{error}");
    }
}
