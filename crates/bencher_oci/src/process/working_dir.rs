//! `WorkingDir`: the folder that the command starts in.

use crate::Excerpt;

/// Why a working directory cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkingDirError {
    /// The override does not begin with a slash.
    #[error("working directory {0} is not absolute: write it with a leading slash")]
    NotAbsolute(Excerpt),
    /// The override holds a NUL byte.
    #[error("working directory {0} has a NUL byte, which no path can have")]
    Nul(Excerpt),
}

/// The folder to start in, absolute: the override, else the image's, else `/`.
///
/// A relative folder of an image is meant from the root. The path is otherwise left as it is: only
/// the guest's kernel can say what `..` behind a symbolic link means.
///
/// # Errors
/// The override is not an absolute path.
pub fn resolve_working_dir(image: &str, given: Option<&str>) -> Result<String, WorkingDirError> {
    match given {
        Some(dir) if dir.contains('\0') => Err(WorkingDirError::Nul(Excerpt::new(dir))),
        Some(dir) if !dir.starts_with('/') => Err(WorkingDirError::NotAbsolute(Excerpt::new(dir))),
        Some(dir) => Ok(dir.to_owned()),
        None if image.starts_with('/') => Ok(image.to_owned()),
        None => Ok(format!("/{image}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders() {
        for (image, given, expected) in [
            ("", None, "/"),
            ("/srv", None, "/srv"),
            ("srv/app", None, "/srv/app"),
            ("/srv", Some("/tmp"), "/tmp"),
            ("/a/../b", None, "/a/../b"),
        ] {
            assert_eq!(resolve_working_dir(image, given).unwrap(), expected);
        }
    }

    #[test]
    fn bad_folders() {
        for (given, message) in [
            (
                "",
                "working directory `` is not absolute: write it with a leading slash",
            ),
            (
                "tmp",
                "working directory `tmp` is not absolute: write it with a leading slash",
            ),
            (
                "/a\0b",
                "working directory `/a\\0b` has a NUL byte, which no path can have",
            ),
        ] {
            assert_eq!(
                resolve_working_dir("/", Some(given))
                    .unwrap_err()
                    .to_string(),
                message
            );
        }
    }
}
