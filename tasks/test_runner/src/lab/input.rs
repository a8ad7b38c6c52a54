//! What goes into the lab: a folder tree, made into a disk that the lab mounts at `/lab`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::images::remove_if_there;
use crate::process::{capture, command};

/// The folder of the lab where the tree appears.
pub(crate) const MOUNT: &str = "/lab";

/// The space that the lab has for writing there, in MiB; what it does not write takes none.
const SPARE: u64 = 4096;

/// A tree being put together. Removed with everything in it when dropped.
#[derive(Debug)]
pub(crate) struct Input {
    folder: PathBuf,
}

impl Input {
    /// An empty tree in the new folder `folder`.
    ///
    /// # Errors
    ///
    /// When it can not be made.
    pub(crate) fn create(folder: PathBuf) -> anyhow::Result<Self> {
        remove_if_there(&folder)?;
        let tree = folder.join("tree");
        fs::create_dir_all(&tree).with_context(|| format!("cannot make {}", tree.display()))?;
        Ok(Self { folder })
    }

    /// The folder that is removed with this; for what belongs to it.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The tree itself.
    pub(crate) fn tree(&self) -> PathBuf {
        self.folder.join("tree")
    }

    /// Puts the file or folder `source` at `place` of the tree. Files are linked, not copied, where
    /// that is possible.
    ///
    /// # Errors
    ///
    /// When it can not be read or placed.
    pub(crate) fn add(&mut self, source: &Path, place: &str) -> anyhow::Result<()> {
        let target = self.tree().join(place);
        let placed = fs::canonicalize(source).and_then(|source| {
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            duplicate(&source, &target)
        });
        placed.with_context(|| format!("cannot bring {} into the lab", source.display()))
    }

    /// Makes the disk and returns its path.
    ///
    /// # Errors
    ///
    /// When `mke2fs` fails.
    pub(crate) fn disk(&self) -> anyhow::Result<PathBuf> {
        let tree = self.tree();
        let disk = self.folder.join("input.ext4");
        let used = size(&tree).with_context(|| format!("cannot read {}", tree.display()))?;
        let mebibytes = used.div_ceil(1 << 20) * 11 / 10 + SPARE;
        capture(
            command(crate::prerequisites::find("mke2fs").unwrap_or_else(|| "mke2fs".into()))
                .args(["-q", "-F", "-t", "ext4", "-O", "^has_journal"])
                .args(["-E", "root_owner=0:0,lazy_itable_init=1", "-d"])
                .arg(&tree)
                .arg(&disk)
                .arg(format!("{mebibytes}M")),
        )?;
        Ok(disk)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // What is left over is removed by the next lab.
        let _left_over = fs::remove_dir_all(&self.folder);
    }
}

/// Removes what labs of harnesses that are gone have left in `folder`: `run-PID`.
///
/// # Errors
///
/// When it can not be listed or removed.
pub(crate) fn remove_left_over(folder: &Path) -> anyhow::Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let gone = name
            .to_str()
            .and_then(|name| name.strip_prefix("run-")?.parse::<u32>().ok())
            .is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists());
        if gone {
            remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}

fn duplicate(source: &Path, target: &Path) -> io::Result<()> {
    let kind = source.symlink_metadata()?.file_type();
    if kind.is_dir() {
        fs::create_dir_all(target)?;
        for entry in fs::read_dir(source)? {
            let entry = entry?;
            duplicate(&entry.path(), &target.join(entry.file_name()))?;
        }
        return Ok(());
    }
    if kind.is_symlink() {
        return std::os::unix::fs::symlink(fs::read_link(source)?, target);
    }
    if kind.is_file() && fs::hard_link(source, target).is_err() {
        fs::copy(source, target)?;
    }
    Ok(())
}

/// The bytes of all files, each rounded up to a block.
fn size(path: &Path) -> io::Result<u64> {
    let metadata = path.symlink_metadata()?;
    let mut total = metadata.len().next_multiple_of(4096);
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            total += size(&entry?.path())?;
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_put_together_and_removed() {
        let root = tempfile::tempdir().expect("a folder");
        let source = root.path().join("source");
        fs::create_dir_all(source.join("deep")).expect("it can be made");
        fs::write(source.join("deep/file"), "contents").expect("it can be written");
        std::os::unix::fs::symlink("deep", source.join("link")).expect("it can be made");
        let mut input = Input::create(root.path().join("run-1")).expect("it can be made");
        input.add(&source, "a/b").expect("it is there");
        input
            .add(&source.join("link"), "linked")
            .expect("links are followed");
        let tree = root.path().join("run-1/tree");
        for path in ["a/b/deep/file", "a/b/link/file", "linked/file"] {
            let read = fs::read_to_string(tree.join(path)).expect("it is there");
            assert_eq!(read, "contents", "{path}");
        }
        assert!(size(&tree).expect("it can be read") >= 8192);
        let error = input
            .add(Path::new("/no/such"), "x")
            .expect_err("it is not there");
        assert!(error.to_string().contains("/no/such"), "{error}");
        drop(input);
        assert!(!root.path().join("run-1").exists());
        assert!(source.join("deep/file").exists());
    }

    #[test]
    fn only_what_nobody_uses_is_left_over() {
        let root = tempfile::tempdir().expect("a folder");
        let own = format!("run-{}", std::process::id());
        for name in ["run-4294967295", "run-x", "qemu", &own] {
            fs::create_dir(root.path().join(name)).expect("it can be made");
        }
        remove_left_over(root.path()).expect("it can be listed");
        let there = |name: &str| root.path().join(name).exists();
        assert!(!there("run-4294967295"));
        assert!(there("run-x") && there("qemu") && there(&own));
    }
}
