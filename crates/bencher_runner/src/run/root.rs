//! An iteration's own root filesystem.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::prepare::{Prepared, Root};
use super::{RunError, rootfs};
use crate::Reporter;
use crate::machine::RootFilesystem;

/// Makes a root filesystem for one iteration below `folder`, unless the machine can use the cached
/// image itself.
pub(crate) fn make(
    prepared: &Prepared,
    folder: &Path,
    reporter: &dyn Reporter,
    cancel: &AtomicBool,
) -> Result<RootFilesystem, RunError> {
    match &prepared.root {
        Root::Image(cached) if prepared.sandbox.sandbox().maps_root_privately() => {
            Ok(RootFilesystem::Shared(cached.path.clone()))
        }
        Root::Image(cached) => {
            let path = folder.join("root.ext4");
            rootfs::copy(cached, &path, reporter, cancel)?;
            Ok(RootFilesystem::Copy(path))
        }
        Root::Folder => {
            let path = folder.join("root");
            let root = rootfs::extract(&prepared.image, &path, reporter, cancel)?;
            Ok(RootFilesystem::Folder(root))
        }
    }
}
