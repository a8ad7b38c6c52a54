//! What one iteration has for itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::RunError;
use crate::Reporter;
use crate::cgroup::Cgroup;
use crate::cpus::Placement;
use crate::machine::Seat;
use crate::scratch::Scratch;

/// A folder for one iteration, and a name.
#[derive(Debug)]
pub(crate) struct IterationFolder {
    path: PathBuf,
    name: String,
}

impl IterationFolder {
    /// The folder of iteration `index` in the folder of its run.
    pub(crate) fn create(run: &Scratch, index: u32) -> Result<Self, RunError> {
        let path = run.path().join(index.to_string());
        fs::create_dir(&path).map_err(|source| RunError::State {
            path: path.clone(),
            source,
        })?;
        Ok(Self {
            path,
            name: format!("{}.{index}", name_of(run.path())),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn seat<'a>(&'a self, placement: Option<&'a Placement>) -> Seat<'a> {
        Seat {
            folder: &self.path,
            name: &self.name,
            placement,
        }
    }

    /// Removes it, so that many iterations need the disk of one.
    pub(crate) fn remove(self, reporter: &dyn Reporter) {
        if let Err(error) = bencher_rootfs::remove_extracted(&self.path) {
            reporter.warning(&format!("something of the run is left over: {error}"));
        }
    }
}

/// Removes what the run of the left-over folder `run` left elsewhere on the host.
pub(crate) fn clean_up_after(run: &Path) -> io::Result<()> {
    Cgroup::remove_left_over(&name_of(run))
}

/// What is unique of a run on this host, whatever the state folder: two may be in use.
fn name_of(run: &Path) -> String {
    let name = run.file_name().unwrap_or_default().to_string_lossy();
    let folder = run.parent().unwrap_or(Path::new("/"));
    let hash = folder
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{name}-{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_state_folders_apart() {
        let name = name_of(Path::new("/a/runs/run-x"));
        assert!(name.starts_with("run-x-"), "{name}");
        assert_ne!(name, name_of(Path::new("/b/runs/run-x")));
        assert_eq!(name, name_of(Path::new("/a/runs/run-x")));
    }
}
