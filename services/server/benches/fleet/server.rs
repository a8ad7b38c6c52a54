//! The real program, and what it uses.

use std::fs::{self, File, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::Error;

/// A running server. It is killed with this value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    pub(crate) token: Option<String>,
}

impl Server {
    pub(crate) fn start(folder: &Path, database: Option<&str>) -> Result<Self, Error> {
        // Its log is there before it is a server's, which would not have others look into it.
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_bencher-server"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder)
            .args(["--rate-limit", "1000000"])
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .stderr(
                File::options()
                    .create(true)
                    .append(true)
                    .open(folder.join("log"))?,
            );
        if let Some(database) = database {
            command.arg("--database").arg(database);
        }
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().ok_or("it has no output")?;
        let mut token = None;
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            if let Some(url) = line.strip_prefix("listening on ") {
                let url = url.to_owned();
                return Ok(Self { child, url, token });
            }
            token = line.rsplit(' ').next().map(str::to_owned);
        }
        let log = fs::read_to_string(folder.join("log"))?;
        Err(format!("the server does not start: {log}").into())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) -> Result<(), Error> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ended = self.kill();
    }
}

/// What a process has used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Of one processor.
    pub(crate) seconds: f64,
    /// MiB now.
    pub(crate) memory: f64,
    /// MiB at most.
    pub(crate) peak: f64,
}

impl Usage {
    /// What `/proc` says (proc(5)).
    pub(crate) fn of(process: u32) -> Result<Self, Error> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        let (_, rest) = stat.rsplit_once(") ").ok_or("/proc: no name")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let ticks = |place: usize| fields.get(place).and_then(|text| text.parse::<f64>().ok());
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let kibibytes = |name: &str| -> Option<f64> {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        let missing = || Error::from("/proc does not say what the server uses");
        Ok(Self {
            // utime and stime, in hundredths of a second on Linux.
            seconds: (ticks(11).ok_or_else(missing)? + ticks(12).ok_or_else(missing)?) / 100.0,
            memory: kibibytes("VmRSS:").ok_or_else(missing)? / 1024.0,
            peak: kibibytes("VmHWM:").ok_or_else(missing)? / 1024.0,
        })
    }
}
