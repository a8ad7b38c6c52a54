//! The folder that the user gave for outputs.
//!
//! ```text
//! DIR/1/stdout            of iteration 1
//! DIR/1/stderr
//! DIR/1/files/<guest path without its leading slash>
//! DIR/result.json
//! ```
//!
//! The folder is new or empty when a run begins, and every file in it is created, never opened:
//! nothing of the user's can be overwritten, and since the runner makes no symbolic links, no path
//! of a guest's choice can lead out of it.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::RunError;

/// The output folder of a run.
#[derive(Debug)]
pub(crate) struct OutputFolder {
    path: PathBuf,
    /// Whether the run made it.
    is_new: bool,
}

impl OutputFolder {
    /// Makes the folder, or takes it when it is empty.
    pub(crate) fn create(path: &Path) -> Result<Self, RunError> {
        let failed = |source| RunError::OutputFolder {
            path: path.to_owned(),
            source,
        };
        let is_new = !path.exists();
        fs::create_dir_all(path).map_err(failed)?;
        if fs::read_dir(path).map_err(failed)?.next().is_some() {
            return Err(RunError::OutputFolderNotEmpty {
                path: path.to_owned(),
            });
        }
        // Better to learn now that it can not be written than after the benchmark.
        let probe = tempfile::tempfile_in(path).map_err(failed)?;
        drop(probe);
        Ok(Self {
            path: path.to_owned(),
            is_new,
        })
    }

    /// Removes the folder again if the run made it and nothing is in it.
    pub(crate) fn discard(&self) {
        if self.is_new {
            // It fails when there is something in it, which is then worth keeping.
            let _not_empty = fs::remove_dir(&self.path);
        }
    }

    /// The folder's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Creates `name` for iteration `index`; also returns its path relative to the folder.
    pub(crate) fn stream(&self, index: u32, name: &str) -> Result<(File, String), RunError> {
        self.create_new(&PathBuf::from(index.to_string()).join(name))
    }

    /// Creates the file for a guest's `path`.
    pub(crate) fn file(&self, index: u32, path: &GuestPath) -> Result<(File, String), RunError> {
        let relative = PathBuf::from(index.to_string())
            .join("files")
            .join(&path.relative);
        self.create_new(&relative)
    }

    fn create_new(&self, relative: &Path) -> Result<(File, String), RunError> {
        let path = self.path.join(relative);
        let create = || -> io::Result<File> {
            if let Some(parent) = path.parent() {
                DirBuilder::new().recursive(true).create(parent)?;
            }
            File::create_new(&path)
        };
        let file = create().map_err(|source| RunError::OutputFolder {
            path: path.clone(),
            source,
        })?;
        Ok((file, relative.to_string_lossy().into_owned()))
    }
}

/// A path of a guest's choice that was found harmless: absolute, without `.`, `..`, empty
/// components and NUL, and not longer than the host can make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GuestPath {
    relative: PathBuf,
}

/// Linux's limits of one component and of a whole path, with room for the folder in front.
const MAX_COMPONENT: usize = 255;
const MAX_PATH: usize = 3072;

impl GuestPath {
    /// `None` when the path is not harmless.
    pub(crate) fn parse(path: &[u8]) -> Option<Self> {
        let relative = path.strip_prefix(b"/")?;
        let harmless = path.len() <= MAX_PATH
            && relative.split(|&byte| byte == b'/').all(|component| {
                !matches!(component, b"" | b"." | b"..")
                    && component.len() <= MAX_COMPONENT
                    && !component.contains(&0)
            });
        harmless.then(|| Self {
            relative: PathBuf::from(std::ffi::OsStr::from_bytes(relative)),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn harmful_paths_are_refused() {
        for path in [
            "", "relative", "/", "//a", "/a/", "/a//b", "/./a", "/a/..", "/../etc", "/a\0b",
        ] {
            assert_eq!(GuestPath::parse(path.as_bytes()), None, "{path:?}");
        }
        assert_eq!(
            GuestPath::parse(&[b"/".as_slice(), &[b'a'; 256]].concat()),
            None
        );
        assert!(GuestPath::parse(b"/out/result \xff.json").is_some());
    }

    proptest! {
        #[test]
        fn no_path_leads_out(path in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(path) = GuestPath::parse(&path) {
                prop_assert!(path.relative.components().all(
                    |component| matches!(component, std::path::Component::Normal(_))
                ));
            }
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        let output = OutputFolder::create(&target).unwrap();
        output.discard();
        assert!(
            !target.exists(),
            "an empty folder of the run's own is no output"
        );
        let output = OutputFolder::create(&target).unwrap();
        let path = GuestPath::parse(b"/a/b").unwrap();
        let (_, name) = output.file(1, &path).unwrap();
        assert_eq!(name, "1/files/a/b");
        assert!(
            output.file(1, &path).is_err(),
            "a second file of the same name"
        );
        assert!(
            output
                .file(1, &GuestPath::parse(b"/a/b/c").unwrap())
                .is_err()
        );
        assert!(matches!(
            OutputFolder::create(&target),
            Err(RunError::OutputFolderNotEmpty { .. })
        ));
        assert!(matches!(
            OutputFolder::create(&target.join("1/files/a/b")),
            Err(RunError::OutputFolder { .. })
        ));
    }
}
