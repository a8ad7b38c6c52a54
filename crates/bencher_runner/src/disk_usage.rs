//! What files take of a disk.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The bytes of disk that `path` takes, with everything in it. Symbolic links are not followed,
/// and what is removed meanwhile takes nothing.
pub(crate) fn disk_usage(path: &Path) -> io::Result<u64> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        other => other?,
    };
    let mut bytes = metadata.blocks() * 512;
    if metadata.is_dir() {
        let entries = match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            other => other?,
        };
        for entry in entries {
            bytes += disk_usage(&entry?.path())?;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::disk_usage;

    #[test]
    fn folders_are_summed_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        let before = disk_usage(folder.path()).unwrap();
        std::fs::write(inner.join("file"), vec![1; 100_000]).unwrap();
        let after = disk_usage(folder.path()).unwrap();
        assert!(after >= before + 100_000, "{before} {after}");
        std::os::unix::fs::symlink(&inner, folder.path().join("link")).unwrap();
        assert!(disk_usage(folder.path()).unwrap() < after + 100_000);
        assert_eq!(disk_usage(&folder.path().join("nothing")).unwrap(), 0);
    }
}
