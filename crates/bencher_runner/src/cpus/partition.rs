//! CPUs that are taken away from the rest of the host: a cpuset partition of cgroup v2.
//!
//! ```text
//! <cgroup2>/cpuset.cpus.effective                    what is left for everybody else
//! <cgroup2>/bencher-runner.quiet/cpuset.cpus         the benchmark's, its idle siblings, one for
//!                                                    the VMM's other threads
//! <cgroup2>/bencher-runner.quiet/cpuset.cpus.partition   isolated
//! <cgroup2>/bencher-runner.quiet/<run>.<iteration>   a machine
//! ```
//!
//! It is not below the cgroup of other runs, which would be confined by it. An `isolated` partition
//! keeps every other process away, the kernel's movable work included, and moves nothing between
//! its own CPUs; kernels before 6.1 know `root` only, which keeps the processes away. The kernel
//! moves what runs on the CPUs when it makes the partition, and gives them back when that goes.
//!
//! Source: the kernel's `Documentation/admin-guide/cgroup-v2.rst`, "Cpuset Interface Files".

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::CpuSet;
use crate::cgroup;

/// How far the CPUs are taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartitionKind {
    /// From every other process, and from the scheduler's balancing.
    Isolated,
    /// From every other process.
    Root,
}

/// A partition, given back when dropped. Nothing is in it by then.
#[derive(Debug)]
pub(crate) struct Partition {
    path: PathBuf,
    pub(crate) kind: PartitionKind,
}

impl Partition {
    /// Takes `cpus` away from the rest of the host, or says why not, as a clause.
    pub(crate) fn make(cpus: &CpuSet) -> Result<Self, String> {
        Self::make_in(&cgroup::unified()?, cpus)
    }

    fn make_in(top: &Path, cpus: &CpuSet) -> Result<Self, String> {
        if !cgroup::has_controller(top, "cpuset") {
            return Err("the cgroups (v2) of this host have no cpuset controller".to_owned());
        }
        cgroup::set(&top.join("cgroup.subtree_control"), "+cpuset")?;
        // From here on it is removed if anything fails.
        let mut partition = Self {
            path: cgroup::make_quiet(top)?,
            kind: PartitionKind::Isolated,
        };
        cgroup::set(&partition.path.join("cpuset.cpus"), &cpus.to_string())?;
        partition.kind = partition.become_one()?;
        cgroup::pass_controllers_on(top, &partition.path);
        Ok(partition)
    }

    /// Becomes a partition, of the best kind that there is.
    fn become_one(&self) -> Result<PartitionKind, String> {
        let file = self.path.join("cpuset.cpus.partition");
        let mut refusal = String::new();
        for (kind, name) in [
            (PartitionKind::Isolated, "isolated"),
            (PartitionKind::Root, "root"),
        ] {
            // One that is not valid is no error of the write: reading tells.
            let now =
                cgroup::set(&file, name).map(|()| fs::read_to_string(&file).unwrap_or_default());
            match now {
                Ok(now) if now.trim() == name => return Ok(kind),
                Ok(now) => refusal = format!("the kernel says: {}", now.trim()),
                Err(reason) if refusal.is_empty() => refusal = reason,
                Err(_) => {}
            }
        }
        Err(refusal)
    }

    /// The folder, below which machines have their cgroups.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Partition {
    /// Gives the CPUs back.
    ///
    /// # Errors
    ///
    /// When something in it does not end. The next runner of root's tries again.
    pub(crate) fn give_back(&self) -> io::Result<()> {
        cgroup::remove_tree(&self.path)
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        // What was given back is not there any more. One that can not be removed is by the next runner.
        let _removed_later = self.give_back();
    }
}

/// Whether CPUs are taken away from the rest of this host, by a runner that lives or did not end as
/// it should have.
pub(crate) fn has_left_over() -> bool {
    cgroup::unified().is_ok_and(|top| cgroup::quiet(&top).exists())
}

/// Gives them back, and ends what is left in their cgroups.
pub(crate) fn remove_left_over() -> io::Result<()> {
    match cgroup::unified().map(|top| cgroup::quiet(&top)) {
        Ok(path) if path.exists() => cgroup::remove_tree(&path),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder like the top of a hierarchy, in which files keep what is written.
    fn top(controllers: &str) -> tempfile::TempDir {
        let top = tempfile::tempdir().unwrap();
        fs::write(top.path().join("cgroup.controllers"), controllers).unwrap();
        top
    }

    #[test]
    fn a_host_without_the_controller_says_so() {
        let top = top("cpu memory\n");
        let reason = Partition::make_in(top.path(), &"1".parse().unwrap()).unwrap_err();
        assert!(reason.contains("no cpuset controller"), "{reason}");
        assert!(!cgroup::quiet(top.path()).exists());
    }

    #[test]
    fn the_best_kind_that_the_kernel_takes() {
        let top = top("cpuset cpu\n");
        let partition = Partition::make_in(top.path(), &"1,3".parse().unwrap()).unwrap();
        let read = |name: &str| fs::read_to_string(partition.path().join(name)).unwrap();
        assert_eq!(partition.kind, PartitionKind::Isolated);
        assert_eq!(read("cpuset.cpus"), "1,3");
        assert_eq!(read("cpuset.cpus.partition"), "isolated");
        // A second one would take the first one's CPUs.
        let reason = Partition::make_in(top.path(), &"0".parse().unwrap()).unwrap_err();
        assert!(reason.contains("failed to make"), "{reason}");
    }

    #[test]
    fn a_refusal_is_quoted() {
        let top = top("cpuset\n");
        let path = cgroup::quiet(top.path());
        fs::create_dir(&path).unwrap();
        // A file that takes what is written and says something else.
        std::os::unix::fs::symlink("/dev/null", path.join("cpuset.cpus.partition")).unwrap();
        let partition = Partition {
            path,
            kind: PartitionKind::Isolated,
        };
        assert_eq!(partition.become_one().unwrap_err(), "the kernel says: ");
        fs::remove_file(partition.path().join("cpuset.cpus.partition")).unwrap();
        fs::create_dir(partition.path().join("cpuset.cpus.partition")).unwrap();
        let refusal = partition.become_one().unwrap_err();
        assert!(refusal.contains("failed to write"), "{refusal}");
    }
}
