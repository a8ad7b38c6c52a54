//! Most of the time of CPUs that can not be taken away from the rest of the host: a cgroup of the
//! greatest weight there is.
//!
//! ```text
//! <cgroup2>/bencher-runner.quiet/cpu.weight     100 times the usual; a machine is below it
//! <cpu, v1>/bencher-runner.quiet/cpu.shares     256 times the usual; in it are the threads of
//!                                               vCPUs, or init and with it the command
//! ```
//!
//! The scheduler divides a CPU's time by weight. It also spreads weight over the CPUs, so other
//! programs move away from one that has so much of it. What sleeps takes nothing from anybody: the
//! others have all of the time that the benchmark does not use.
//!
//! An empty cgroup has no effect, so there is nothing to put back after a runner that was killed
//! but the folder.
//!
//! Source: the kernel's `Documentation/admin-guide/cgroup-v2.rst`, "CPU Interface Files", and
//! `Documentation/scheduler/sched-design-CFS.rst`, "Group Scheduler Extensions".

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cgroup;

/// What divides a CPU's time.
const CONTROLLER: &str = "cpu";

/// The greatest weight in cgroup v2, where 100 is the usual.
const GREATEST_WEIGHT: &str = "10000";
/// The greatest in cgroup v1, where 1024 is.
const GREATEST_SHARES: &str = "262144";

/// A cgroup that comes before others, removed when dropped. Nothing is in it by then.
#[derive(Debug)]
pub(crate) struct Precedence {
    path: PathBuf,
    is_unified: bool,
    /// How many times the weight that a cgroup usually has.
    pub(crate) times: u32,
}

impl Precedence {
    /// Makes the cgroup, or says why not, as a clause.
    pub(crate) fn make() -> Result<Self, String> {
        match cgroup::unified() {
            Ok(top) if cgroup::has_controller(&top, CONTROLLER) => Self::make_unified(&top),
            _ => Self::make_legacy(&legacy().ok_or("the cgroups have no cpu controller")?),
        }
    }

    fn make_unified(top: &Path) -> Result<Self, String> {
        cgroup::set(&top.join("cgroup.subtree_control"), "+cpu")?;
        let precedence = Self::make_in(top, true, 100)?;
        cgroup::set(&precedence.path.join("cpu.weight"), GREATEST_WEIGHT)?;
        cgroup::pass_controllers_on(top, &precedence.path);
        Ok(precedence)
    }

    fn make_legacy(top: &Path) -> Result<Self, String> {
        let precedence = Self::make_in(top, false, 256)?;
        cgroup::set(&precedence.path.join("cpu.shares"), GREATEST_SHARES)?;
        // A command may want real-time priority, which takes a part of the time set aside for
        // that, on kernels that divide it. Without, it is refused to the command.
        let all = fs::read_to_string(top.join("cpu.rt_runtime_us")).unwrap_or_default();
        let _refused = fs::write(precedence.path.join("cpu.rt_runtime_us"), all.trim());
        Ok(precedence)
    }

    fn make_in(top: &Path, is_unified: bool, times: u32) -> Result<Self, String> {
        // From here on it is removed if anything fails.
        Ok(Self {
            path: cgroup::make_quiet(top)?,
            is_unified,
            times,
        })
    }

    /// The folder below which machines have their cgroups, where these are of the same hierarchy.
    pub(crate) fn parent(&self) -> Option<&Path> {
        self.is_unified.then_some(&*self.path)
    }

    /// The folder of a cgroup that threads have to be put in.
    pub(crate) fn members(&self) -> Option<&Path> {
        (!self.is_unified).then_some(&*self.path)
    }
}

impl Precedence {
    /// Removes the cgroup.
    ///
    /// # Errors
    ///
    /// When something in it does not end. The next runner of root's tries again.
    pub(crate) fn give_back(&self) -> io::Result<()> {
        if self.is_unified {
            cgroup::remove_tree(&self.path)
        } else {
            fs::remove_dir(&self.path)
        }
    }
}

impl Drop for Precedence {
    fn drop(&mut self) {
        // What was given back is not there any more. One that can not be removed is by the next runner.
        let _removed_later = self.give_back();
    }
}

/// Puts the process `id` with all of its threads into a cgroup of v1.
pub(crate) fn put_process(members: &Path, id: u32) -> io::Result<()> {
    fs::write(members.join("cgroup.procs"), id.to_string())
}

/// Puts the thread `id` into a cgroup of v1.
pub(crate) fn put_thread(members: &Path, id: u32) -> io::Result<()> {
    fs::write(members.join("tasks"), id.to_string())
}

/// Whether there is a cgroup of v1, of a runner that lives or did not end as it should have. That of
/// v2 is the partition's.
pub(super) fn has_left_over() -> bool {
    legacy().is_some_and(|top| cgroup::quiet(&top).exists())
}

/// Removes it.
pub(super) fn remove_left_over() -> io::Result<()> {
    match legacy().map(|top| cgroup::quiet(&top)) {
        Some(path) if path.exists() => fs::remove_dir(path),
        _ => Ok(()),
    }
}

fn legacy() -> Option<PathBuf> {
    cgroup::legacy(CONTROLLER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_below_the_cgroup_of_v2() {
        let top = tempfile::tempdir().unwrap();
        let precedence = Precedence::make_unified(top.path()).unwrap();
        let parent = precedence.parent().unwrap();
        let weight = fs::read_to_string(parent.join("cpu.weight")).unwrap();
        assert_eq!((&*weight, precedence.times), (GREATEST_WEIGHT, 100));
        assert_eq!(precedence.members(), None);
        let reason = Precedence::make_unified(top.path()).unwrap_err();
        assert!(reason.contains("failed to make"), "{reason}");
    }

    #[test]
    fn threads_are_put_into_the_cgroup_of_v1() {
        let top = tempfile::tempdir().unwrap();
        fs::write(top.path().join("cpu.rt_runtime_us"), "950000\n").unwrap();
        let precedence = Precedence::make_legacy(top.path()).unwrap();
        let members = precedence.members().unwrap();
        let read = |name: &str| fs::read_to_string(members.join(name)).unwrap();
        assert_eq!(
            (&*read("cpu.shares"), precedence.times),
            (GREATEST_SHARES, 256)
        );
        assert_eq!(read("cpu.rt_runtime_us"), "950000");
        assert_eq!(precedence.parent(), None);
        put_process(members, 7).unwrap();
        put_thread(members, 8).unwrap();
        assert_eq!((&*read("cgroup.procs"), &*read("tasks")), ("7", "8"));
    }
}
