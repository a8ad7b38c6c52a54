//! Where things live on a host, and where programs are.

use std::env;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The two folders that the runner keeps things in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// What can be made again: images, root filesystems, kernels.
    pub cache: PathBuf,
    /// What belongs to runs that are going on.
    pub state: PathBuf,
}

impl Directories {
    /// The folders of the XDG base directory specification, below `bencher-runner`; as root
    /// without a home `/var/cache` and `/var/lib`. A given folder is taken as it is.
    pub fn resolve(cache: Option<PathBuf>, state: Option<PathBuf>) -> Self {
        Self {
            cache: cache.unwrap_or_else(|| xdg("XDG_CACHE_HOME", ".cache", "/var/cache")),
            state: state.unwrap_or_else(|| xdg("XDG_STATE_HOME", ".local/state", "/var/lib")),
        }
    }
}

fn xdg(variable: &str, below_home: &str, without_home: &str) -> PathBuf {
    let absolute = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            // The specification: a relative path is to be ignored.
            .filter(|path| path.is_absolute())
    };
    absolute(variable)
        .or_else(|| absolute("HOME").map(|home| home.join(below_home)))
        .unwrap_or_else(|| PathBuf::from(without_home))
        .join("bencher-runner")
}

/// The executable file that a shell would run for `name`.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let is_executable = |path: &Path| {
        path.metadata()
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        let path = PathBuf::from(name);
        return is_executable(&path).then_some(path);
    }
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| is_executable(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_folders_are_taken_as_they_are() {
        let directories = Directories::resolve(Some("/a".into()), Some("/b".into()));
        assert_eq!(directories.cache, Path::new("/a"));
        assert_eq!(directories.state, Path::new("/b"));
    }

    #[test]
    fn programs_are_found_as_a_shell_does() {
        assert!(find_program("sh").is_some_and(|path| path.ends_with("sh")));
        assert_eq!(find_program("no-such-program-anywhere"), None);
        assert_eq!(find_program("/etc/passwd"), None, "not executable");
    }
}
