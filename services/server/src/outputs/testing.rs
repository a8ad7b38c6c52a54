//! Storages on which things go wrong, for tests.

use std::fs::{OpenOptions, create_dir_all};
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::{Kept, RESULTS};

/// The file and the name of an object in the storage of a server that has its data in `folder`.
pub(crate) fn object(folder: &Path, name: &str) -> (PathBuf, Kept) {
    let results = folder.join("outputs").join(RESULTS);
    create_dir_all(&results).expect("made");
    let kept = Kept::Object(format!("{RESULTS}/{name}"));
    (results.join(name), kept)
}

/// An object that never comes, as of a storage that takes a connection and says nothing: a pipe that nobody writes
/// to. Those who wait for it end with this value, as the test waits for them, and nobody waits for it afterwards.
pub(crate) struct Hanging(PathBuf);

impl Hanging {
    pub(crate) fn at(path: &Path) -> Self {
        mkfifo(path, Mode::S_IRWXU).expect("made");
        Self(path.to_owned())
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        let mut both = OpenOptions::new();
        // Who opens it later would wait for ever if it were closed.
        std::mem::forget(both.read(true).write(true).open(&self.0));
    }
}
