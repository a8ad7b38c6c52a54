//! Where the cgroups of machines are made.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::hierarchy;

/// What the runner calls its part of the hierarchy.
const NAME: &str = "bencher-runner";

/// The controllers that limit and count.
const CONTROLLERS: [&str; 4] = ["cpu", "io", "memory", "pids"];

/// Where cgroups are made.
#[derive(Debug)]
pub(super) struct Parent {
    pub(super) path: PathBuf,
    /// What comes before the names of cgroups.
    prefix: &'static str,
    /// The hierarchy's own root, whose controllers root may pass on.
    pub(super) top: Option<PathBuf>,
}

impl Parent {
    /// The cgroup `path`, which this process has made.
    pub(super) fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            prefix: "",
            top: None,
        }
    }

    pub(super) fn find() -> Result<Self, String> {
        let top = hierarchy::unified()?;
        let parent = if nix::unistd::geteuid().is_root() {
            let path = top.join(NAME);
            match fs::create_dir(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(format!("failed to make {}: {error}", path.display()));
                }
                _ => {}
            }
            Self {
                path,
                prefix: "",
                top: Some(top),
            }
        } else {
            let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
            let own = own_path(&own).ok_or("this process is in no cgroup v2")?;
            let path = top.join(own.trim_start_matches('/'));
            // Whether a child can be made is up to the folder's owner.
            nix::unistd::access(&path, nix::unistd::AccessFlags::W_OK)
                .map_err(|_| format!("{} belongs to another user", path.display()))?;
            Self {
                path,
                prefix: "bencher-runner.",
                top: None,
            }
        };
        // Below a threaded cgroup there are threads only. The hierarchy's root has no such file.
        let kind = fs::read_to_string(parent.path.join("cgroup.type"));
        match kind.as_deref().map(str::trim_end) {
            Ok("domain") | Err(_) => Ok(parent),
            Ok(kind) => Err(format!("{} is {kind}", parent.path.display())),
        }
    }

    pub(super) fn child(&self, name: &str) -> PathBuf {
        self.path.join(format!("{}{name}", self.prefix))
    }

    /// Gives children the controllers, one by one: a list with one that is not there is refused as
    /// a whole. What can not be given is an obstacle, and told as such.
    ///
    /// A cgroup that has processes of its own is left alone, unless it is the hierarchy's root: it
    /// would take some controllers, and become one of threads by that.
    pub(super) fn enable_controllers(&self) {
        for folder in self.top.iter().chain([&self.path]) {
            let is_root = !folder.join("cgroup.type").exists();
            let has_processes = fs::read_to_string(folder.join("cgroup.procs"))
                .is_ok_and(|processes| !processes.is_empty());
            if has_processes && !is_root {
                continue;
            }
            for controller in CONTROLLERS {
                let control = folder.join("cgroup.subtree_control");
                let _is_an_obstacle = fs::write(control, format!("+{controller}"));
            }
        }
    }

    /// Whether children have the controller.
    pub(super) fn controls(&self, controller: &str) -> bool {
        hierarchy::lists(&self.path.join("cgroup.subtree_control"), controller)
    }
}

/// Lets what is made below `path`, which is below the hierarchy's root `top`, be counted and
/// limited.
pub(crate) fn pass_controllers_on(top: &Path, path: &Path) {
    Parent {
        path: path.to_owned(),
        prefix: "",
        top: Some(top.to_owned()),
    }
    .enable_controllers();
}

/// This process's cgroup, from `/proc/self/cgroup` (see `cgroups(7)`).
fn own_path(cgroups: &str) -> Option<&str> {
    cgroups.lines().find_map(|line| line.strip_prefix("0::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_cgroup_is_that_of_version_2() {
        let own = "4:memory:/x\n1:cpu:/\n0::/user.slice/user-1.slice\n";
        assert_eq!(own_path(own), Some("/user.slice/user-1.slice"));
        assert_eq!(own_path("1:cpu:/\n"), None);
    }
}
