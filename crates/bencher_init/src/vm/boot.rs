//! The steps of a guest's start.

use std::net::Ipv4Addr;

use bencher_output_protocol::{LogLevel, Orders, Root};
use nix::mount::{MsFlags, mount};
use nix::sys::utsname::uname;

use super::early::take_early_words;
use super::events::DeviceEvents;
use super::modules::load_modules;
use super::parameters::{Parameters, Stream};
use super::port::open_port;
use super::prefault::touch_free_memory;
use super::root::{NEW_ROOT, mount_root, switch_root, wait_for_device};
use super::vsock::connect_to_host;
use crate::alarm;
use crate::cgroup::Cgroup;
use crate::error::{InitError, Reason, errno};
use crate::image::{RootFolder, Setting, fill_etc, furnish};
use crate::link::Link;
use crate::network::{bring_loopback_up, connect, set_host_name};
use crate::poller::Poller;
use crate::serve::World;
use crate::sys;

/// Everything from the kernel's start of init to a root file system in which the command can run.
/// The link is left in `link` as soon as there is one, for the news of a failure.
pub(crate) fn prepare(link: &mut Option<Link>) -> Result<(Orders, World), InitError> {
    mount_first()?;
    alarm::use_kernel_log();
    sys::open_standard_fds().map_err(|source| InitError::Start {
        step: "open /dev/null",
        source,
    })?;
    protect_init()?;
    load_modules()?;
    let parameters = std::fs::read_to_string("/proc/cmdline")
        .map_err(InitError::ReadCommandLine)
        .and_then(|text| Parameters::parse(&text))?;
    // Before the host hears anything of this guest, so that it is in no measure of the command's.
    let touched = parameters.prefault.then(touch_free_memory);
    let mut poller = Poller::new()?;
    let events = DeviceEvents::listen(&mut poller)?;
    let stream = match &parameters.stream {
        Stream::VirtioSerial(name) => open_port(name, &events, &mut poller)?,
        Stream::Vsock(port) => connect_to_host(*port)?,
    };
    let link = link.insert(Link::new(stream, poller)?);
    link.take_in(&take_early_words()?);
    let release = uname().map(|name| name.release().to_string_lossy().into_owned());
    let orders = link.greet(&release.unwrap_or_default())?;
    match touched {
        Some(Ok(bytes)) => {
            let text = format!("touched {} MiB of memory", bytes >> 20);
            link.log(LogLevel::Debug, text)?;
        }
        Some(Err(errno)) => {
            let text = format!("not all memory was touched before the command: {errno}");
            link.log(LogLevel::Warning, text)?;
        }
        None => {}
    }
    let Root::Disk { device } = &orders.root else {
        return Err(InitError::Root(Reason::new(
            "a folder was ordered, which a virtual machine can not reach: order a disk",
        )));
    };
    wait_for_device(device, &events, link)?;
    mount_root(device)?;
    let root = RootFolder::open(NEW_ROOT).map_err(|source| InitError::MountRoot {
        device: device.clone(),
        source,
    })?;
    let (cgroup, missing) = Cgroup::create_in_guest()?;
    for controller in missing {
        let text = format!("the guest's kernel has no {controller} controller for cgroups");
        link.log(LogLevel::Warning, text)?;
    }
    for note in furnish(&root, Setting::Vm)? {
        link.log(LogLevel::Warning, note)?;
    }
    set_host_name(&orders.hostname)?;
    bring_loopback_up()?;
    let mut name_servers: &[Ipv4Addr] = &[];
    if let Some(network) = &orders.network {
        connect(network)?;
        name_servers = &network.name_servers;
    }
    for note in fill_etc(&root, &orders.hostname, name_servers) {
        link.log(LogLevel::Warning, note)?;
    }
    switch_root()?;
    let world = World {
        root,
        setting: Setting::Vm,
        cgroup: Some(cgroup),
        is_spared: true,
        cpus: None,
    };
    Ok((orders, world))
}

/// What init itself needs.
fn mount_first() -> Result<(), InitError> {
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    for (filesystem, path, flags) in [
        ("proc", "/proc", plain),
        ("sysfs", "/sys", plain),
        ("devtmpfs", "/dev", MsFlags::MS_NOSUID),
    ] {
        let failed = |source| InitError::mount(filesystem, path, source);
        std::fs::create_dir_all(path).map_err(|error| failed(errno(&error)))?;
        mount(
            Some(filesystem),
            path,
            Some(filesystem),
            flags,
            None::<&str>,
        )
        .map_err(failed)?;
    }
    Ok(())
}

/// Keeps the out-of-memory killer off init, which would end the machine.
fn protect_init() -> Result<(), InitError> {
    std::fs::write("/proc/self/oom_score_adj", "-1000").map_err(|error| InitError::Start {
        step: "be spared by the out-of-memory killer",
        source: errno(&error),
    })
}
