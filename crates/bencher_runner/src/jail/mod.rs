//! The jail that every VMM runs in, whatever VMM it is.
//!
//! ```text
//! Jail (once a run)     what this host allows
//!   └─ Cell (each VMM)  a root, a user id, a cgroup ─► Plan ─► jailer ─► VMM
//! ```
//!
//! A guest that breaks out of its VMM finds itself in a network that is empty or the guest's own,
//! in a root that holds only what the VMM needed, as a user who owns nothing and can become nobody
//! else. See `docs/security.md` for what each step stops.
//!
//! As root the whole jail is made. An ordinary user makes the same in a user namespace, without a
//! user id of its own. Where the host allows no user namespaces, what is left is the VMM's own
//! system call filter, limits, and no new privileges; what is missing is said.

mod birth;
mod cell;
mod descriptors;
mod enter;
mod error;
mod identity;
mod keyring;
mod libraries;
mod life;
mod limits;
mod namespaces;
mod plan;
mod probe;
mod report;
mod root;
mod step;
mod uids;

use std::path::{Path, PathBuf};

use rustix::thread::{CapabilitySet, capabilities};
use serde::{Deserialize, Serialize};

pub(crate) use cell::Cell;
pub use enter::take_over;
pub use error::JailError;
pub(crate) use report::Report;
pub use uids::UidRange;

use crate::cgroup::{Cgroup, CgroupLimits};
use crate::cpus::Placement;
use plan::Maker;
use uids::UidLock;

/// What the user wants of the jail.
#[derive(Debug, Clone, Copy)]
pub struct JailPolicy {
    /// How much of it there must be.
    pub strictness: Strictness,
    /// The user ids that a root's VMMs run as.
    pub uids: UidRange,
}

/// How much of the jail there must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// All of it, or the run fails.
    Complete,
    /// What the host allows; what is missing is said.
    Possible,
    /// None: for looking for faults.
    Off,
}

/// A jail as it is, for the result document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct JailState {
    /// Whether every part of it is there.
    pub complete: bool,
    /// The parts that are not, each with the reason.
    pub missing: Vec<String>,
}

/// What this host allows.
#[derive(Debug)]
pub struct Jail {
    maker: Option<Maker>,
    is_off: bool,
    missing: Vec<String>,
    uids: UidRange,
    /// Where it is kept what libraries a program needs.
    cache: PathBuf,
}

impl Jail {
    /// Finds out what this host allows.
    ///
    /// # Errors
    ///
    /// [`JailError::Incomplete`] when `policy` wants more than that.
    pub fn new(policy: JailPolicy, cache: &Path) -> Result<Self, JailError> {
        let mut jail = Self {
            maker: None,
            is_off: policy.strictness == Strictness::Off,
            missing: Vec::new(),
            uids: policy.uids,
            cache: cache.join("libraries"),
        };
        if jail.is_off {
            jail.missing
                .push("everything (it was turned off)".to_owned());
            return Ok(jail);
        }
        match maker() {
            Ok(maker) => {
                jail.maker = Some(maker);
                if maker != Maker::Root && nix::unistd::geteuid().is_root() {
                    jail.missing.push(
                        "a user id of its own (this root lacks the right to give one)".to_owned(),
                    );
                }
            }
            Err(reason) => jail
                .missing
                .push(format!("namespaces and a root of its own ({reason})")),
        }
        jail.missing.extend(
            Cgroup::obstacles()
                .into_iter()
                .map(|obstacle| obstacle.to_string()),
        );
        if policy.strictness == Strictness::Complete && !jail.missing.is_empty() {
            return Err(JailError::Incomplete {
                missing: jail.missing.join("; "),
            });
        }
        Ok(jail)
    }

    /// Whether it is root who makes it, and so who may choose the VMM's network.
    pub(crate) fn is_roots(&self) -> bool {
        self.maker == Some(Maker::Root)
    }

    /// What there is of it, for the result.
    pub fn state(&self) -> JailState {
        JailState {
            complete: self.missing.is_empty(),
            missing: self.missing.clone(),
        }
    }

    /// A cell for one VMM, which keeps what it needs below `folder`, a folder of this run alone.
    /// `name` is unique on this host. `placement` says where it runs, if that matters.
    pub(crate) fn cell(
        &self,
        folder: &Path,
        name: &str,
        limits: CgroupLimits,
        placement: Option<&Placement>,
    ) -> Result<Cell, JailError> {
        let uid = match self.maker {
            Some(Maker::Root) => Some(UidLock::take(self.uids)?),
            _ => None,
        };
        let cgroup = if self.is_off {
            None
        } else {
            let within = placement.and_then(|placement| placement.cgroup.as_deref());
            Cgroup::create(name, limits, within).map_err(JailError::Cgroup)?
        };
        Cell::new(self, folder, uid, cgroup, placement.cloned())
    }
}

/// Who would make the namespaces, or why nobody can.
fn maker() -> Result<Maker, String> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let may_administer = capabilities(None).is_ok_and(|sets| {
        sets.effective
            .contains(CapabilitySet::SYS_ADMIN | CapabilitySet::MKNOD)
    });
    // In a user namespace root has these rights, but no users to give away and no devices to make.
    let is_the_hosts = std::fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_whitespace().eq(["0", "0", "4294967295"]));
    if uid.is_root() && may_administer && is_the_hosts {
        return Ok(Maker::Root);
    }
    match probe::obstacle() {
        None => Ok(Maker::User {
            uid: uid.as_raw(),
            gid: gid.as_raw(),
        }),
        Some(reason) => Err(format!("this host does not let users make them: {reason}")),
    }
}
