//! Files of services.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::UnitError;

/// Puts a whole file in its place, with these permissions from its first byte on; its folder is made if need
/// be.
///
/// # Errors
///
/// When it can not be written.
pub fn write(path: &Path, text: &str, mode: u32) -> Result<(), UnitError> {
    let attempt = || -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new()
            .prefix(".new-")
            .permissions(fs::Permissions::from_mode(mode))
            .tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    attempt().map_err(|cause| UnitError::Write {
        path: path.to_owned(),
        cause,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_and_has_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("etc/x/secret.env");
        for text in ["a long text", "short"] {
            write(&path, text, 0o600).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let entries = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(entries, 1, "nothing else is left");
        let error = write(&path.join("below"), "", 0o600).unwrap_err();
        assert!(error.to_string().contains("--dry-run"), "{error}");
    }
}
