//! Debian's PostgreSQL, in a folder of its own.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Gid, Pid, Uid, User, chown, geteuid};
use tempfile::TempDir;

/// A running PostgreSQL. It ends with this value, and all its data with it.
#[derive(Debug)]
pub struct Postgres {
    child: Child,
    folder: TempDir,
    programs: PathBuf,
}

/// Whom it runs as where root starts it: it refuses to run as root.
const OWNER: &str = "postgres";

/// The ids of that user.
#[derive(Debug, Clone, Copy)]
struct Owner(Uid, Gid);

impl Postgres {
    /// Why there is none on this machine, if so.
    pub fn lacking() -> Option<&'static str> {
        if programs().is_none() {
            return Some("PostgreSQL is not installed (Debian: apt-get install postgresql)");
        }
        let is_owned = !geteuid().is_root() || matches!(User::from_name(OWNER), Ok(Some(_)));
        (!is_owned).then_some("there is no user `postgres` to run PostgreSQL as")
    }

    /// Starts one; `None` where it is not installed, which is said.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start() -> anyhow::Result<Option<Self>> {
        Self::start_with(&["-c", "fsync=off"])
    }

    /// The same, that keeps what it has committed though the power fails, as all but tests have it: for
    /// measurements.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_durable() -> anyhow::Result<Option<Self>> {
        Self::start_with(&[])
    }

    fn start_with(settings: &[&str]) -> anyhow::Result<Option<Self>> {
        if let Some(reason) = Self::lacking() {
            println!("skipped: {reason}");
            return Ok(None);
        }
        let programs = programs().context("PostgreSQL is not installed")?;
        let owner = if geteuid().is_root() {
            let user = User::from_name(OWNER)?.context("there is no such user")?;
            Some(Owner(user.uid, user.gid))
        } else {
            None
        };
        // Directly below /tmp: others need to get there, and a socket's path is short.
        let folder = tempfile::tempdir_in("/tmp")?;
        if let Some(Owner(uid, gid)) = owner {
            chown(folder.path(), Some(uid), Some(gid))?;
        }
        let data = folder.path().join("data");
        let made = run_as(&programs.join("initdb"), owner)
            .args(["--auth=trust", "--no-sync", "--username=bencher"])
            // As distributions have it: C sorts as nobody's own database does.
            .args(["--encoding=UTF8", "--locale=C.UTF-8"])
            .args(["--locale-provider=icu", "--icu-locale=en-US"])
            .arg("--pgdata")
            .arg(&data)
            .current_dir("/")
            .output()?;
        let errors = String::from_utf8_lossy(&made.stderr);
        ensure!(made.status.success(), "initdb: {errors}");
        let child = run_as(&programs.join("postgres"), owner)
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            // Only by its socket, which no other test can have.
            .args(["-c", "listen_addresses="])
            .args(settings)
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let postgres = Self {
            child,
            folder,
            programs,
        };
        postgres.wait(&postgres.programs)?;
        Ok(Some(postgres))
    }

    /// Until it answers: `pg_isready` says so.
    fn wait(&self, programs: &Path) -> anyhow::Result<()> {
        for _ in 0..600 {
            let ready = Command::new(programs.join("pg_isready"))
                .arg("--host")
                .arg(self.folder.path())
                .args(["--timeout", "1", "--quiet"])
                .status()?;
            if ready.success() {
                return Ok(());
            }
            std::thread::yield_now();
        }
        bail!("PostgreSQL does not start")
    }

    /// Lets it stand still: it neither answers nor hangs up.
    ///
    /// # Errors
    /// When its processes can not be found.
    pub fn pause(&self) -> anyhow::Result<()> {
        // First the one that would start others.
        self.signal_all(Signal::SIGSTOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When its processes can not be found.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.signal_all(Signal::SIGCONT)
    }

    /// To it and to its children, which are one for each connection and some for itself.
    fn signal_all(&self, signal: Signal) -> anyhow::Result<()> {
        let own = self.child.id();
        kill(Pid::from_raw(own.try_into()?), signal)?;
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children"))?;
        for child in children.split_whitespace() {
            // It may have ended meanwhile.
            let _ended = kill(Pid::from_raw(child.parse()?), signal);
        }
        Ok(())
    }

    /// Where its own programs are, such as `pg_dump`.
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// The address of its database.
    pub fn url(&self) -> String {
        let folder = self.folder.path().display().to_string();
        format!(
            "postgres://bencher@localhost/postgres?host={}",
            folder.replace('/', "%2F")
        )
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap_or_default());
        // What stands still would not hear of its end.
        let _unheard = self.resume();
        // At once: nobody needs the data. Its children end with it.
        let _ended = kill(pid, Signal::SIGQUIT);
        let _ended = self.child.wait();
    }
}

/// The folder with PostgreSQL's programs: Debian has them apart, one folder a version.
fn programs() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
        .collect();
    found.sort();
    found.pop()
}

fn run_as(program: &Path, owner: Option<Owner>) -> Command {
    let mut command = Command::new(program);
    if let Some(Owner(uid, gid)) = owner {
        command.uid(uid.as_raw()).gid(gid.as_raw());
    }
    command
}
