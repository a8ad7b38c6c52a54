//! An iteration's own root filesystem.

use std::path::Path;

use bencher_oci::Cancellation;

use super::prepare::{Prepared, Root};
use super::{PageCache, RunError, page_cache, rootfs};
use crate::Reporter;
use crate::machine::RootFilesystem;

/// Makes a root filesystem for one iteration below `folder`, unless the machine can use the cached
/// image itself. What of it is in the page cache is as `wanted`.
pub(crate) fn make(
    prepared: &Prepared,
    folder: &Path,
    wanted: PageCache,
    reporter: &dyn Reporter,
    cancel: &Cancellation,
) -> Result<RootFilesystem, RunError> {
    match &prepared.root {
        Root::Image(cached) if prepared.sandbox.sandbox().maps_root_privately() => {
            page_cache::prepare(&cached.path, wanted, cancel.flag())?;
            Ok(RootFilesystem::Shared(cached.path.clone()))
        }
        Root::Image(cached) => {
            let path = folder.join("root.ext4");
            rootfs::copy(cached, &path, reporter, cancel)?;
            page_cache::prepare(&path, wanted, cancel.flag())?;
            Ok(RootFilesystem::Copy(path))
        }
        Root::Folder => {
            let path = folder.join("root");
            let root = rootfs::extract(&prepared.image, &path, reporter, cancel)?;
            Ok(RootFilesystem::Folder(root))
        }
    }
}
