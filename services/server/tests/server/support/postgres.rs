//! Debian's PostgreSQL, in a folder of its own.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::unistd::{Gid, Uid, User, chown, geteuid};

/// A running PostgreSQL. It ends with this value, and all its data with it.
#[derive(Debug)]
pub(crate) struct Postgres {
    child: Child,
    folder: tempfile::TempDir,
}

/// Whom it runs as: it refuses to run as root.
#[derive(Debug, Clone, Copy)]
struct Owner(Uid, Gid);

impl Postgres {
    /// Starts one; `None` where it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            println!("skipped: PostgreSQL is not installed (Debian: apt-get install postgresql)");
            return None;
        };
        let owner = if geteuid().is_root() {
            let user = User::from_name("postgres").unwrap();
            let Some(user) = user else {
                println!("skipped: there is no user `postgres` to run PostgreSQL as");
                return None;
            };
            Some(Owner(user.uid, user.gid))
        } else {
            None
        };
        // Directly below /tmp: others need to get there, and a socket's path is short.
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        if let Some(Owner(uid, gid)) = owner {
            chown(folder.path(), Some(uid), Some(gid)).unwrap();
        }
        let data = folder.path().join("data");
        let made = run_as(&programs.join("initdb"), owner)
            .args([
                "--auth=trust",
                "--no-sync",
                "--username=bencher",
                "--pgdata",
            ])
            .arg(&data)
            .current_dir("/")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{errors}");
        let child = run_as(&programs.join("postgres"), owner)
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            // Only by its socket, which no other test can have.
            .args(["-c", "listen_addresses=", "-c", "fsync=off"])
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let postgres = Self { child, folder };
        postgres.wait(&programs);
        Some(postgres)
    }

    /// Until it answers: `pg_isready` says so.
    fn wait(&self, programs: &Path) {
        for _ in 0..600 {
            let ready = Command::new(programs.join("pg_isready"))
                .arg("--host")
                .arg(self.folder.path())
                .args(["--timeout", "1", "--quiet"])
                .status()
                .unwrap();
            if ready.success() {
                return;
            }
            std::thread::yield_now();
        }
        panic!("PostgreSQL does not start");
    }

    /// The address of its database.
    pub(crate) fn url(&self) -> String {
        let folder = self.folder.path().display().to_string();
        format!(
            "postgres://bencher@localhost/postgres?host={}",
            folder.replace('/', "%2F")
        )
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap());
        // At once: nobody needs the data. Its children end with it.
        let _ended = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGQUIT);
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
