//! One guest's network. What of it is on the host (an interface, a table of rules, forwarding) is
//! taken away when it is dropped, and after a runner that was killed by the next one.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::range::Link;
use super::routes::{self, Route};
use super::rules::{self, Plan};
use super::tools::Tools;
use super::{AddressRange, GuestNetwork, NetworkError, forwarding, namespace};
use crate::Reporter;
use crate::slots::{Slot, SlotError, Slots};

/// One place for the whole host, as interfaces are, and gone with a reboot, as they are. Below it
/// is a folder for each network namespace, each with interfaces and rules of its own. A slot is
/// marked while something of it is on the host.
const SLOTS: &str = "/run/bencher-runner/network";

/// A guest's network.
#[derive(Debug)]
pub(crate) struct Attachment {
    /// Taken away first: the interface would go with the namespace, but some time later.
    _host_side: HostSide,
    /// Where the VMM is to be.
    namespace: OwnedFd,
}

/// What of it is on the host.
#[derive(Debug)]
struct HostSide {
    slot: Slot,
    tools: Tools,
    reporter: Arc<dyn Reporter>,
}

impl Attachment {
    /// Makes the network of `run`, whose tap device belongs to the user `owner`.
    pub(super) fn make(
        network: &GuestNetwork,
        run: &str,
        owner: u32,
    ) -> Result<Self, NetworkError> {
        let slots = Slots::open(&folder()?)?;
        for mut slot in slots.left_over()? {
            remove(&mut slot, &slots, &network.tools)?;
        }
        let routes = routes::of_host()?;
        let (mut slot, link) = take(&slots, network.range, &routes)?;
        let name = rules::interface(slot.number);
        if forwarding::exists(&name) {
            return Err(NetworkError::NameInUse { name });
        }
        // From here on something may be on the host.
        slot.mark(run)?;
        let host_side = HostSide {
            slot,
            tools: network.tools.clone(),
            reporter: Arc::clone(&network.reporter),
        };
        let plan = Plan {
            slot: host_side.slot.number,
            guest: network.range.guest(),
            link,
            owner,
            name_servers: &network.name_servers,
            allowed: &network.allowed,
        };
        let made = fill(&plan, &slots, &routes, &network.tools);
        // Taking it away, if that failed, locks them again.
        drop(slots);
        Ok(Self {
            namespace: made?,
            _host_side: host_side,
        })
    }

    /// A handle of the namespace, for a VMM to enter.
    pub(crate) fn namespace(&self) -> io::Result<OwnedFd> {
        self.namespace.try_clone()
    }
}

impl Drop for HostSide {
    fn drop(&mut self) {
        let removed = folder()
            .and_then(|folder| Ok(Slots::open(&folder)?))
            .and_then(|slots| remove(&mut self.slot, &slots, &self.tools));
        // It stays marked, so that the next runner tries again.
        if let Err(error) = removed {
            self.reporter
                .warning(&format!("the guest's network is left over: {error}"));
        }
    }
}

/// A number and addresses that are in use by nobody.
fn take(
    slots: &Slots,
    range: AddressRange,
    routes: &[Route],
) -> Result<(Slot, Link), NetworkError> {
    let links = (0..).map_while(|number| Some((number, range.slot(number)?)));
    for (number, link) in links.filter(|(_, link)| !routes::lead_to(routes, link.subnet)) {
        if let Some(slot) = slots.lock(number)? {
            return Ok((slot, link));
        }
    }
    Err(NetworkError::NoSubnet { range })
}

/// Makes the namespace, with its connection to the host, and then what the host needs of it.
fn fill(
    plan: &Plan<'_>,
    slots: &Slots,
    routes: &[Route],
    tools: &Tools,
) -> Result<OwnedFd, NetworkError> {
    let host = namespace::own();
    let namespace = namespace::make(|| {
        tools.ip(
            "make the guest's network",
            &rules::interfaces_inside(plan, &host),
        )?;
        tools.nft(
            "set the rules of the guest's network",
            &rules::rules_inside(plan),
        )
    })?;
    tools.nft(
        "set the host's rules for the guest's network",
        &rules::rules_outside(plan),
    )?;
    forwarding::switch_on(slots.folder(), routes, |interfaces| {
        tools.nft(
            "keep the host from forwarding for others",
            &rules::guards(interfaces),
        )
    })?;
    let name = rules::interface(plan.slot);
    namespace::turn_ipv6_off(&name)?;
    forwarding::let_forward(&name)?;
    tools.ip(
        "connect the guest's network with the host's",
        &rules::interfaces_outside(plan),
    )?;
    Ok(namespace)
}

/// Takes away what of `slot` is on the host, in the reverse order. What fails is tried again by
/// the next runner: the slot stays marked until all has gone.
fn remove(slot: &mut Slot, slots: &Slots, tools: &Tools) -> Result<(), NetworkError> {
    let name = rules::interface(slot.number);
    if forwarding::exists(&name) {
        let removed = tools.ip(
            "remove the guest's network",
            &rules::removed_interface(slot.number),
        );
        // After a killed runner it goes by itself at any moment.
        if removed.is_err() && forwarding::exists(&name) {
            return removed;
        }
    }
    let mut removed = rules::removed_rules(slot.number);
    if slots.is_alone(slot)? {
        forwarding::switch_off(slots.folder())?;
        removed += &rules::removed_guards();
    }
    tools.nft("remove the host's rules for the guest's network", &removed)?;
    Ok(slot.clear()?)
}

/// Where the slots of the network namespace that this process is in are.
fn folder() -> Result<PathBuf, NetworkError> {
    let namespace = Path::new("/proc/self/ns/net");
    let inode = fs::metadata(namespace)
        .map_err(|source| NetworkError::Reserve {
            path: namespace.to_owned(),
            source,
        })?
        .ino();
    Ok(Path::new(SLOTS).join(inode.to_string()))
}

impl From<SlotError> for NetworkError {
    fn from(SlotError { path, source }: SlotError) -> Self {
        Self::Reserve { path, source }
    }
}

/// Takes away what runners that were killed left on this host.
pub(crate) fn remove_left_over(reporter: &dyn Reporter) {
    let removed = || -> Result<(), NetworkError> {
        let folder = folder()?;
        // Without it nothing was ever made.
        if !folder.is_dir() {
            return Ok(());
        }
        let slots = Slots::open(&folder)?;
        for mut slot in slots.left_over()? {
            remove(&mut slot, &slots, &Tools::find()?)?;
            reporter.debug(&format!(
                "removed the left-over network {}",
                rules::interface(slot.number)
            ));
        }
        Ok(())
    };
    if nix::unistd::geteuid().is_root()
        && let Err(error) = removed()
    {
        reporter.warning(&format!(
            "a network of an earlier run is left over: {error}"
        ));
    }
}
