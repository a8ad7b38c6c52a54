//! From a furnished root file system on, both of init's lives are the same.

use std::fs::File;
use std::io::Read;

use bencher_output_protocol::{ExitStatus, GuestMessage, Layouts, LogLevel, Orders};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::personality::{self, Persona};

use crate::cgroup::Cgroup;
use crate::collect::{Collector, missing_everywhere};
use crate::command::Command;
use crate::error::InitError;
use crate::image::{Resolve, RootFolder, Setting};
use crate::link::Link;
use crate::run::Run;
use crate::user::{Account, LookupError, look_up};

/// The world that was made for the command, which is this process's root by now.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) root: RootFolder,
    pub(crate) setting: Setting,
    pub(crate) cgroup: Option<Cgroup>,
    /// Whether the out-of-memory killer spares init.
    pub(crate) is_spared: bool,
    /// The CPUs for the command; `None` for init's own.
    pub(crate) cpus: Option<nix::sched::CpuSet>,
}

/// Runs the command and tells the host everything that comes of it.
pub(crate) fn serve(link: &mut Link, orders: &Orders, world: &World) -> Result<(), InitError> {
    let account = find_account(&world.root, &orders.user)?;
    if world.setting == Setting::HostUser && account.uid != 0 {
        let text = format!(
            "the command runs as root of its user namespace instead of as user {:?}: without root \
             on the host there is no other user",
            orders.user
        );
        link.log(LogLevel::Warning, text)?;
    }
    if orders.layouts == Layouts::Fixed {
        fix_layouts(link)?;
    }
    let command = Command::new(orders, account)?;
    let report = Run::start(link, orders, &command, world)?.supervise(link)?;
    let began = !matches!(
        report.status,
        ExitStatus::NotFound(_) | ExitStatus::NotExecutable(_)
    );
    link.send(&GuestMessage::Exited(report))?;
    if began {
        Collector::new(link, &world.root, &orders.limits)?
            .collect(&orders.outputs, &command.working_directory)?;
    } else {
        // What is there was there before, and is no output of the command's.
        missing_everywhere(link, &orders.outputs, "the command never began")?;
    }
    link.send(&GuestMessage::Done)
}

/// Turns address space layout randomization off for what this process starts from now on. A program
/// that changes its user as it is executed gets it back (`personality(2)`, `ADDR_NO_RANDOMIZE`).
fn fix_layouts(link: &mut Link) -> Result<(), InitError> {
    // What is set already stays.
    let fixed = personality::get()
        .and_then(|now| personality::set(now | Persona::ADDR_NO_RANDOMIZE))
        .map(drop);
    let Err(errno) = fixed else {
        return Ok(());
    };
    // Container engines allow few personalities.
    let text = format!("the command's memory layout is random: personality: {errno}");
    link.log(LogLevel::Warning, text)
}

/// The largest `/etc/passwd` or `/etc/group` that is read, in bytes.
const DATABASE_LIMIT: u64 = 4 * 1024 * 1024;

fn find_account(root: &RootFolder, user: &str) -> Result<Account, InitError> {
    let found = read_database(root, "/etc/passwd").and_then(|passwd| {
        let group = read_database(root, "/etc/group")?;
        look_up(user, &passwd, &group)
    });
    found.map_err(|source| InitError::User {
        user: user.to_owned(),
        source,
    })
}

/// The contents of a file, none if it is missing.
fn read_database(root: &RootFolder, path: &'static str) -> Result<Vec<u8>, LookupError> {
    let unreadable = |reason: String| LookupError::Unreadable { path, reason };
    // Should it be a pipe, opening it must not wait for a writer.
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = match root.resolve(path, flags, Resolve::InRoot) {
        Ok(file) => File::from(file),
        Err(Errno::ENOENT) => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    let metadata = file
        .metadata()
        .map_err(|error| unreadable(error.to_string()))?;
    if !metadata.is_file() {
        return Err(unreadable("it is no regular file".to_owned()));
    }
    if metadata.len() > DATABASE_LIMIT {
        let length = metadata.len();
        return Err(unreadable(format!(
            "it has {length} bytes, more than the {DATABASE_LIMIT} that are read"
        )));
    }
    let mut contents = Vec::new();
    file.take(DATABASE_LIMIT)
        .read_to_end(&mut contents)
        .map_err(|error| unreadable(error.to_string()))?;
    Ok(contents)
}
