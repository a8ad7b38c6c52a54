//! An iteration's own root filesystem.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::prepare::{Prepared, Root};
use super::{RunError, rootfs};
use crate::Reporter;
use crate::machine::{RootFilesystem, open_image};

/// A root filesystem for one iteration.
#[derive(Debug)]
pub(crate) struct RootForRun {
    filesystem: RootFilesystem,
    /// What is to be removed afterwards.
    own: Option<PathBuf>,
}

impl RootForRun {
    /// The root filesystem of iteration `index`, made below `folder` unless the machine can use
    /// the cached image itself.
    pub(crate) fn make(
        prepared: &Prepared,
        folder: &Path,
        index: u32,
        reporter: &dyn Reporter,
        cancel: &AtomicBool,
    ) -> Result<Self, RunError> {
        match &prepared.root {
            Root::Image(cached) if prepared.sandbox.sandbox().maps_root_privately() => Ok(Self {
                filesystem: open_image(cached.path.clone(), false)?,
                own: None,
            }),
            Root::Image(cached) => {
                let path = folder.join(format!("{index}.ext4"));
                rootfs::copy(cached, &path, reporter, cancel)?;
                Ok(Self {
                    filesystem: open_image(path.clone(), true)?,
                    own: Some(path),
                })
            }
            Root::Folder => {
                let path = folder.join(format!("{index}.root"));
                let root = rootfs::extract(&prepared.image, &path, reporter, cancel)?;
                Ok(Self {
                    filesystem: RootFilesystem::Folder(root),
                    own: Some(path),
                })
            }
        }
    }

    pub(crate) fn filesystem(&self) -> &RootFilesystem {
        &self.filesystem
    }

    /// Removes what was made for this iteration, so that many iterations need the disk of one.
    pub(crate) fn remove(self, reporter: &dyn Reporter) {
        let Some(path) = self.own else { return };
        let removed = match &self.filesystem {
            RootFilesystem::Image { .. } => {
                std::fs::remove_file(&path).map_err(|source| RunError::State {
                    path: path.clone(),
                    source,
                })
            }
            RootFilesystem::Folder(_) => {
                bencher_rootfs::remove_extracted(&path).map_err(RunError::from)
            }
        };
        if let Err(error) = removed {
            reporter.warning(&format!("something of the run is left over: {error}"));
        }
    }
}
