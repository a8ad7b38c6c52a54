//! One VMM's cell: what it finds in its jail, and what is kept for it outside.

use std::ffi::OsString;
use std::fs;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::enter::MARK;
use super::plan::{Access, Entry, Ids, Isolation, Limits, Plan};
use super::report::Report;
use super::uids::UidLock;
use super::{Jail, JailError, libraries};
use crate::cgroup::{Cgroup, CpuTime};
use crate::cpus::Placement;
use crate::network::{Attachment, GuestNetwork, NetworkError, TUN};

/// Files that a VMM may have open: its own few, and one for each connection of a guest.
const OPEN_FILES: u64 = 1024;

/// Threads of a VMM beside its virtual CPUs.
const OWN_THREADS: u64 = 128;

/// A cell for one VMM. Dropped, which must come after the VMM's end, it leaves nothing.
#[derive(Debug)]
pub(crate) struct Cell {
    isolation: Option<Isolation>,
    is_off: bool,
    cgroup: Option<Cgroup>,
    uid: Option<UidLock>,
    network: Option<Attachment>,
    placement: Option<Placement>,
    libraries_cache: PathBuf,
    /// The largest file that the VMM is given to write to.
    largest_file: u64,
    may_lock_memory: bool,
}

/// The command that starts a jailed VMM, and what it needs open.
#[derive(Debug)]
pub(crate) struct Jailed {
    pub(crate) command: Command,
    /// Descriptors for the child, to follow those that the VMM itself is given.
    pub(crate) descriptors: Vec<OwnedFd>,
    /// Where the jailer says what it failed at; nothing where there is no jailer.
    pub(crate) report: Option<Report>,
}

impl Cell {
    pub(super) fn new(
        jail: &Jail,
        folder: &Path,
        uid: Option<UidLock>,
        cgroup: Option<Cgroup>,
        placement: Option<Placement>,
    ) -> Result<Self, JailError> {
        let isolation = match jail.maker {
            Some(by) => {
                let place = folder.join("jail");
                fs::create_dir_all(&place).map_err(prepare_error(&place))?;
                Some(Isolation {
                    by,
                    place,
                    entries: Vec::new(),
                })
            }
            None => None,
        };
        Ok(Self {
            isolation,
            is_off: jail.is_off,
            uid,
            cgroup,
            network: None,
            placement,
            libraries_cache: jail.cache.clone(),
            largest_file: 0,
            may_lock_memory: false,
        })
    }

    /// Takes the program `path` in, with everything it needs to run.
    pub(crate) fn program(&mut self, path: &Path) -> Result<(), JailError> {
        if self.isolation.is_none() {
            return Ok(());
        }
        for library in libraries::needed_by(path, &self.libraries_cache)? {
            self.keep(&library);
        }
        self.keep(path);
        Ok(())
    }

    /// Takes a file or folder in where the host has it, to be read.
    pub(crate) fn keep(&mut self, path: &Path) {
        self.add(path, path, Access::ReadOnly);
    }

    /// Takes a file in as `inside`, to be read, and returns where the VMM finds it.
    pub(crate) fn read_only(&mut self, path: &Path, inside: &str) -> PathBuf {
        self.add(path, Path::new(inside), Access::ReadOnly)
    }

    /// Takes a file of this run alone in as `inside`, to be written to, and returns where the VMM
    /// finds it.
    pub(crate) fn writable(&mut self, path: &Path, inside: &str) -> Result<PathBuf, JailError> {
        let metadata = fs::metadata(path).map_err(prepare_error(path))?;
        if metadata.is_file() {
            self.largest_file = self.largest_file.max(metadata.len());
        }
        self.give(path)?;
        Ok(self.add(path, Path::new(inside), Access::ReadWrite))
    }

    /// Makes a folder of this run alone at `path` and takes it in as `inside`: there the VMM may
    /// make files and sockets. Returns where the VMM finds it.
    pub(crate) fn folder(&mut self, path: &Path, inside: &str) -> Result<PathBuf, JailError> {
        fs::create_dir_all(path)
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o700)))
            .map_err(prepare_error(path))?;
        self.writable(path, inside)
    }

    /// Lets the VMM make files of `bytes`: its memory, where that is a file without a name.
    pub(crate) fn allow_files_of(&mut self, bytes: u64) {
        self.largest_file = self.largest_file.max(bytes);
    }

    /// Lets the VMM lock its memory.
    pub(crate) fn allow_locking(&mut self) {
        self.may_lock_memory = true;
    }

    /// Takes a device in where the host has it.
    pub(crate) fn device(&mut self, path: &Path) {
        self.add(path, path, Access::Device);
    }

    /// Gives the VMM a way out: the network of `run`, with a tap device that it may open.
    pub(crate) fn connect(
        &mut self,
        network: &GuestNetwork,
        run: &str,
    ) -> Result<(), NetworkError> {
        let owner = self.uid.as_ref().ok_or(NetworkError::NoJail)?.id;
        self.network = Some(network.attach(run, owner)?);
        self.device(Path::new(TUN));
        Ok(())
    }

    /// Gives a file to the VMM's user.
    pub(crate) fn give(&self, path: &Path) -> Result<(), JailError> {
        match &self.uid {
            Some(uid) => chown(path, Some(uid.id), Some(uid.id)).map_err(prepare_error(path)),
            None => Ok(()),
        }
    }

    fn add(&mut self, host: &Path, inside: &Path, access: Access) -> PathBuf {
        let Some(isolation) = &mut self.isolation else {
            return host.to_owned();
        };
        let entry = Entry {
            host: host.to_owned(),
            inside: inside.to_owned(),
            access,
        };
        if !isolation.entries.contains(&entry) {
            isolation.entries.push(entry);
        }
        inside.to_owned()
    }

    /// The CPU time that the VMM has taken, if the host tells.
    pub(crate) fn cpu_time(&self) -> Option<CpuTime> {
        self.cgroup.as_ref()?.cpu_time()
    }

    /// Whether the VMM was ended because it took more memory than it may.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        self.cgroup.as_ref().is_some_and(Cgroup::ran_out_of_memory)
    }

    /// Where it runs; `None` for wherever the kernel wants.
    pub(crate) fn placement(&self) -> Option<&Placement> {
        self.placement.as_ref()
    }

    /// Whether the VMM is watched by a jailer, who ends it when told to.
    pub(crate) fn is_watched(&self) -> bool {
        self.isolation.is_some()
    }

    /// The command that starts `program` with `arguments` in this cell, for a machine of `vcpus`.
    /// The first descriptor of [`Jailed`] will have the number `next` in the child.
    pub(crate) fn command(
        &self,
        program: &Path,
        arguments: Vec<OsString>,
        vcpus: u8,
        next: RawFd,
    ) -> Result<Jailed, JailError> {
        if self.is_off {
            let mut command = Command::new(program);
            command.args(arguments).env_clear();
            return Ok(Jailed {
                command,
                descriptors: Vec::new(),
                report: None,
            });
        }
        let ids = self.uid.as_ref().map(|uid| Ids {
            uid: uid.id,
            gid: uid.id,
        });
        let network = self.network.as_ref().map(Attachment::namespace);
        let network = network
            .transpose()
            .map_err(prepare_error(Path::new("the guest's network")))?;
        let (plan_number, report_number, network_number) = (next, next + 1, next + 2);
        let plan = Plan {
            network: network.as_ref().map(|_| network_number),
            program: program.to_owned(),
            arguments,
            isolation: self.isolation.clone(),
            limits: Limits {
                file_bytes: self.largest_file,
                open_files: OPEN_FILES,
                locks_memory: self.may_lock_memory,
                threads: ids.map(|_| u64::from(vcpus) + OWN_THREADS),
            },
            ids,
            cgroup: self.cgroup.as_ref().map(|cgroup| cgroup.path().to_owned()),
            cpus: self.placement.as_ref().map(|own| own.all().to_string()),
            memory_node: self.placement.as_ref().and_then(|own| own.memory_node),
        };
        let (report, writer) = Report::pipe().map_err(prepare_error(Path::new("a pipe")))?;
        let plan = plan
            .into_descriptor()
            .map_err(prepare_error(Path::new("the plan")))?;
        let mut command = Command::new("/proc/self/exe");
        command
            .arg(MARK)
            .args([plan_number.to_string(), report_number.to_string()])
            .env_clear();
        let mut descriptors = vec![plan, writer];
        descriptors.extend(network);
        Ok(Jailed {
            command,
            descriptors,
            report: Some(report),
        })
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        let Some(cgroup) = self.cgroup.take() else {
            return;
        };
        let place = cgroup.path().to_owned();
        drop(cgroup);
        // The kernel removes none that something lives in.
        if let Some(uid) = self.uid.take().filter(|_| !place.exists()) {
            // One that is not given back is looked at when it is taken the next time.
            let _looked_at_later = uid.give_back();
        }
    }
}

fn prepare_error(path: &Path) -> impl FnOnce(std::io::Error) -> JailError {
    let path = path.to_owned();
    move |source| JailError::Prepare { path, source }
}
