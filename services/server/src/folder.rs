//! The data folder: nobody else may look into it.
//!
//! One that the server makes is its owner's alone. One that is there already, and that others can look
//! into, is made so if it is empty or a server's: packages and containers make such ones. Any other one
//! is left as it is, and refused: its owner may want others to see what else is in it.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Who else may do what.
const OTHERS: u32 = 0o007;
/// What the owner may do.
const OWNER: u32 = 0o700;
/// What says that a folder is a server's: each name is one that nobody else gives a file. `lock` and `outputs`
/// are a server's too, and many others'.
const OURS: [&str; 2] = ["secrets.key", "server.sqlite"];
/// What a new filesystem has, and is nobody's.
const NOBODYS: &str = "lost+found";

/// Why a folder can not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// It can not be made or read.
    #[error("failed to use the data folder {}: {cause}; choose another one with --data-dir", .path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Others can look into it, and it is not to be changed.
    #[error(
        "everybody can look into {}, where secrets would be, and it holds other things than a server's: \
         choose a folder of the server's own with --data-dir, or, if this is one, run `chmod o= {}`",
        .0.display(), .0.display()
    )]
    Exposed(PathBuf),
}

/// Makes the folder if it is not there, and makes sure that nobody else can look into it.
///
/// # Errors
///
/// When it can not be made, or is open to others and not a server's.
pub(crate) fn prepare(path: &Path) -> Result<(), FolderError> {
    let unusable = |cause| FolderError::Unusable {
        path: path.to_owned(),
        cause,
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(OWNER)
        .create(path)
        .map_err(unusable)?;
    let mode = fs::metadata(path).map_err(unusable)?.permissions().mode();
    if mode & OTHERS == 0 {
        return Ok(());
    }
    let exposed = || FolderError::Exposed(path.to_owned());
    if !is_ours(path).map_err(unusable)? {
        return Err(exposed());
    }
    let private = fs::Permissions::from_mode(mode & !OTHERS);
    fs::set_permissions(path, private).map_err(|_| exposed())?;
    tracing::warn!(
        path = %path.display(), "everybody could look into the data folder: now only its owner and group can"
    );
    Ok(())
}

/// Whether it is empty, or holds what a server keeps.
fn is_ours(path: &Path) -> io::Result<bool> {
    let mut is_empty = true;
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if OURS.iter().any(|ours| name == *ours) {
            return Ok(true);
        }
        is_empty &= name == NOBODYS;
    }
    Ok(is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    }

    fn open_folder(path: &Path) {
        fs::create_dir_all(path).expect("made");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("opened");
    }

    #[test]
    fn a_server_closes_its_folder_and_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let new = folder.path().join("a/new");
        prepare(&new).expect("made");
        assert_eq!(mode(&new), 0o700);
        for name in OURS.iter().chain([&NOBODYS]) {
            let path = folder.path().join(format!("with-{name}"));
            open_folder(&path);
            fs::write(path.join(name), "").expect("written");
            prepare(&path).expect("it is a server's");
            assert_eq!(mode(&path), 0o750, "{name}");
        }
    }

    #[test]
    fn what_others_have_too_makes_no_folder_a_servers() {
        for names in [
            &["diary"][..],
            &["outputs", "diary"],
            &["lock", "utmp", "systemd"],
            &["lock"],
            &["outputs"],
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("foreign");
            open_folder(&path);
            for name in names {
                fs::create_dir(path.join(name)).expect("made");
            }
            let error = prepare(&path).expect_err("it is somebody's");
            assert!(error.to_string().contains("chmod o= "), "{error}");
            assert_eq!(mode(&path), 0o755, "{names:?}: it is left as it is");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).expect("closed");
            prepare(&path).expect("nobody else can look into it");
        }
    }
}
