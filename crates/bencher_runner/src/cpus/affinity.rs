//! Which CPUs threads run on, by `sched_setaffinity(2)`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Pid;
use rustix::thread::{sched_getaffinity, sched_setaffinity};

use super::{CpuSet, Permitted};
use crate::Reporter;

/// CPUs that the system call's mask has room for.
const MOST: u32 = 1024;

/// What this process may use.
///
/// # Errors
///
/// When the kernel does not tell: it has more CPUs than the system call's mask (1024).
pub(crate) fn permitted() -> io::Result<Permitted> {
    // The kernel narrows what is asked for to what the cpuset allows, wherever that is mounted. A
    // thread of its own asks, since it stays so.
    let asked = std::thread::spawn(|| {
        let affinity = of_thread(None)?;
        let everything = (0..MOST).collect();
        let cpuset = set_mask(None, &everything).and_then(|()| of_thread(None))?;
        Ok(Permitted { affinity, cpuset })
    });
    asked
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("a thread of the runner failed")))
}

/// Where this process runs. It does again when this is dropped.
///
/// CPUs that go offline meanwhile leave its threads' masks for good, so whatever takes them offline is
/// put back before.
#[derive(Debug)]
pub(crate) struct KeptAffinity {
    /// `None` when the kernel did not tell.
    cpus: Option<CpuSet>,
    reporter: Arc<dyn Reporter>,
}

impl KeptAffinity {
    /// As it is now.
    pub(crate) fn now(reporter: &Arc<dyn Reporter>) -> Self {
        Self {
            // Who asks for CPUs hears of the failure then.
            cpus: permitted().ok().map(|permitted| permitted.affinity),
            reporter: Arc::clone(reporter),
        }
    }
}

impl Drop for KeptAffinity {
    fn drop(&mut self) {
        let Some(cpus) = &self.cpus else {
            return;
        };
        if permitted().is_ok_and(|now| now.affinity == *cpus) {
            return;
        }
        if let Err(error) = confine_this_process(cpus) {
            self.reporter.warning(&format!(
                "failed to let the runner use the CPUs {cpus} again: {error}"
            ));
        }
    }
}

/// Lets this process alone run on `cpus`, with every thread that it has, and will have.
///
/// # Errors
///
/// When none of `cpus` is online, or may be used.
pub(crate) fn confine_this_process(cpus: &CpuSet) -> io::Result<()> {
    each_thread(std::process::id(), |id, _| set_thread(id, cpus))
}

/// Calls `place` with the id and the name of each thread of `process`, until there is none that it
/// was not called with: one may have been born meanwhile, of one that was not placed yet.
///
/// # Errors
///
/// What `place` fails with, unless the thread has ended; and when `process` has.
pub(crate) fn each_thread(
    process: u32,
    mut place: impl FnMut(u32, &str) -> io::Result<()>,
) -> io::Result<()> {
    let folder = Path::new("/proc").join(process.to_string()).join("task");
    let mut placed = BTreeSet::new();
    loop {
        let before = placed.len();
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let id = entry.file_name();
            let Some(id) = id.to_str().and_then(|id| id.parse::<u32>().ok()) else {
                continue;
            };
            if !placed.insert(id) {
                continue;
            }
            let done = fs::read_to_string(entry.path().join("comm"))
                .and_then(|name| place(id, name.trim_end()));
            match done {
                Err(error) if has_ended(&error) => {}
                done => done?,
            }
        }
        if placed.len() == before {
            return Ok(());
        }
    }
}

/// Lets the thread `id` of any process run on `cpus`.
pub(crate) fn set_thread(id: u32, cpus: &CpuSet) -> io::Result<()> {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw);
    let id = id.ok_or(io::ErrorKind::InvalidInput)?;
    set_mask(Some(id), cpus)
}

/// Lets the calling thread run on `cpus`, and what it starts from then on.
pub(crate) fn set_this_thread(cpus: &CpuSet) -> io::Result<()> {
    set_mask(None, cpus)
}

/// The CPU time that the thread `id` has used so far; `None` when it has ended, and where the kernel
/// was built without `CONFIG_SCHED_INFO`. See the kernel's `Documentation/scheduler/sched-stats.rst`.
pub(crate) fn thread_time(id: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/schedstat")).ok()?;
    let nanoseconds = stat.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

fn of_thread(id: Option<Pid>) -> io::Result<CpuSet> {
    let mask = sched_getaffinity(id)?;
    let is_set = |&cpu: &u32| usize::try_from(cpu).is_ok_and(|cpu| mask.is_set(cpu));
    Ok((0..MOST).filter(is_set).collect())
}

fn set_mask(id: Option<Pid>, cpus: &CpuSet) -> io::Result<()> {
    let mut mask = rustix::thread::CpuSet::new();
    let known = cpus.iter().filter(|&cpu| cpu < MOST);
    for cpu in known.filter_map(|cpu| usize::try_from(cpu).ok()) {
        mask.set(cpu);
    }
    Ok(sched_setaffinity(id, &mask)?)
}

fn has_ended(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(nix::libc::ESRCH)
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::*;
    use crate::reporter::Silent;

    /// Where tests are threads of one process, those that move it take turns.
    pub(in super::super) fn alone() -> MutexGuard<'static, ()> {
        static TURN: Mutex<()> = Mutex::new(());
        TURN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[test]
    fn what_is_permitted_is_online_and_holds_the_affinity() {
        let permitted = permitted().unwrap();
        assert!(!permitted.affinity.is_empty());
        assert!(permitted.affinity.is_subset(&permitted.cpuset));
        let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
        assert!(permitted.cpuset.is_subset(&online.parse().unwrap()));
    }

    #[test]
    fn every_thread_is_placed_and_so_is_what_it_starts() {
        let _alone = alone();
        let reporter: Arc<dyn Reporter> = Arc::new(Silent);
        let kept = KeptAffinity::now(&reporter);
        let before = of_thread(None).unwrap();
        let last = permitted().unwrap().affinity.iter().last().unwrap();
        let cpus = CpuSet::from_iter([last]);
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || {
            let _placed = wait.recv();
            let own = of_thread(None).unwrap();
            let born = std::thread::spawn(|| of_thread(None).unwrap());
            (own, born.join().unwrap())
        });
        confine_this_process(&cpus).unwrap();
        go.send(()).unwrap();
        assert_eq!(other.join().unwrap(), (cpus.clone(), cpus.clone()));
        assert_eq!(of_thread(None).unwrap(), cpus);
        drop(kept);
        assert_eq!(of_thread(None).unwrap(), before);
    }

    #[test]
    fn a_threads_time_is_its_own() {
        let (tell, told) = std::sync::mpsc::channel();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let busy = std::thread::spawn(move || {
            let id = rustix::thread::gettid().as_raw_nonzero().get();
            tell.send(id.unsigned_abs()).unwrap();
            let end = std::time::Instant::now() + Duration::from_millis(50);
            while std::time::Instant::now() < end {}
            tell.send(0).unwrap();
            let _gone = wait.recv();
        });
        let id = told.recv().unwrap();
        told.recv().unwrap();
        let used = thread_time(id).unwrap();
        assert!(
            used > Duration::ZERO && used < Duration::from_secs(10),
            "{used:?}"
        );
        // It waits, and so uses nothing.
        assert!(thread_time(id).unwrap().saturating_sub(used) < Duration::from_millis(5));
        drop(go);
        busy.join().unwrap();
        assert_eq!(thread_time(id), None);
    }

    #[test]
    fn a_process_that_has_ended_is_an_error() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let id = child.id();
        child.wait().unwrap();
        let error = each_thread(id, |_, _| Ok(())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(set_thread(id, &CpuSet::from_iter([0])).is_err());
    }
}
