//! The steps to a command's world on a host.

use std::os::fd::OwnedFd;

use bencher_output_protocol::{LogLevel, Orders};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::utsname::uname;
use nix::unistd::setsid;

use super::arguments::HostArguments;
use super::namespaces::leave_host;
use super::root::{mount_root, pivot};
use crate::cgroup::Cgroup;
use crate::error::InitError;
use crate::image::{RootFolder, fill_etc, furnish};
use crate::link::Link;
use crate::network::{bring_loopback_up, set_host_name};
use crate::poller::Poller;
use crate::serve::World;
use crate::sys;

/// Everything from init's start to a root file system in which the command can run. The link is
/// left in `link` as soon as there is one, for the news of a failure.
pub(crate) fn prepare(
    arguments: &HostArguments,
    link: &mut Option<Link>,
) -> Result<(Orders, World), InitError> {
    let stream = take_stream(arguments.stream)?;
    // What else the runner left open must not be the command's. It stays open here: a loop device
    // would go away when nobody holds it.
    sys::close_all_on_exec();
    let link = link.insert(Link::new(stream, Poller::new()?)?);
    // Signals from the runner's terminal are the runner's to handle: it sends a stop. Being the
    // leader of a session already is as good.
    let _ = setsid();
    let release = uname().map(|name| name.release().to_string_lossy().into_owned());
    let orders = link.greet(&release.unwrap_or_default())?;
    let cgroup = arguments.cgroup.as_deref().map(Cgroup::open).transpose()?;
    // A command that uses up the memory should die before the one who reports that does. Only root
    // may ask for that.
    let is_spared = std::fs::write("/proc/self/oom_score_adj", "-1000").is_ok();
    let setting = leave_host()?;
    // Only now: a new user namespace takes it back. Should the runner be gone already, the end of
    // the stream tells.
    set_pdeathsig(Signal::SIGKILL).map_err(|source| InitError::Start {
        step: "tie init's life to the runner's",
        source,
    })?;
    let place = mount_root(&orders.root, setting)?;
    let root = RootFolder::open(&place).map_err(|source| InitError::MountRoot {
        device: place.display().to_string(),
        source,
    })?;
    for note in furnish(&root, setting)? {
        link.log(LogLevel::Warning, note)?;
    }
    set_host_name(&orders.hostname)?;
    bring_loopback_up()?;
    for note in fill_etc(&root, &orders.hostname, &[]) {
        link.log(LogLevel::Warning, note)?;
    }
    pivot(&place)?;
    let world = World {
        root,
        setting,
        cgroup,
        is_spared,
        cpus: arguments.cpus,
    };
    Ok((orders, world))
}

/// Takes the stream's descriptor over, away from the standard ones.
fn take_stream(fd: i32) -> Result<OwnedFd, InitError> {
    let failed = |source: Errno| InitError::StreamDescriptor { fd, source };
    let given = sys::inherited_fd(fd).map_err(failed)?;
    let stream = if fd <= 2 {
        let copy = given
            .try_clone()
            .map_err(|error| failed(crate::error::errno(&error)))?;
        drop(given);
        copy
    } else {
        fcntl(&given, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(failed)?;
        given
    };
    sys::open_standard_fds().map_err(|source| InitError::Start {
        step: "open /dev/null",
        source,
    })?;
    Ok(stream)
}
