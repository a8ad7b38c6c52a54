//! Services of this host's systemd: installed by the programs themselves, and watched at their starts and
//! ends.
//!
//! ```text
//! program install-service ──► unit ──► systemd ──► program serve, up
//!                                        │
//!              drop-in: ExecStartPost, ExecStopPost ──► named pipe ──► the scenario
//! ```
//!
//! The drop-in changes nothing but how long a scenario takes: the pauses before a service is started again,
//! and the time within which it gives signs of life.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::process::{capture, describe};
use crate::scenarios::stage::Stage;
use crate::watchdog::PATIENCE;

/// Where units are that an administrator installs.
const UNITS: &str = "/etc/systemd/system";
/// Where settings of this boot are.
const DROP_INS: &str = "/run/systemd/system";
/// How long a service may be without a sign of life, in seconds: an emulated processor is slow.
const SIGNS: u32 = 10;
/// Where services keep things.
const FOLDERS: [&str; 4] = ["/etc", "/var/lib", "/var/lib/private", "/var/cache"];

/// A service. It is gone with this value.
#[derive(Debug)]
pub(crate) struct Service {
    name: &'static str,
    drop_in: PathBuf,
    pipe: BufReader<File>,
}

impl Service {
    /// Has `install` write the unit of the service `name`, and systemd read it.
    pub(crate) fn install(
        stage: &mut Stage<'_>,
        name: &'static str,
        mut install: Command,
    ) -> anyhow::Result<Self> {
        stage.commands.push(describe(&install));
        let path = stage.folder().join(format!("{name}.pipe"));
        mkfifo(&path, Mode::S_IRWXU).with_context(|| format!("cannot make {}", path.display()))?;
        // Open at both ends, so that neither side waits for the other.
        let pipe = File::options().read(true).write(true).open(&path)?;
        let drop_in = Path::new(DROP_INS).join(format!("{name}.service.d"));
        let service = Self {
            name,
            drop_in,
            pipe: BufReader::new(pipe),
        };
        capture(&mut install)?;
        fs::create_dir_all(&service.drop_in)?;
        fs::write(service.drop_in.join("scenario.conf"), drop_in_text(&path))?;
        systemctl(&["daemon-reload"])?;
        Ok(service)
    }

    fn unit(&self) -> PathBuf {
        Path::new(UNITS).join(format!("{}.service", self.name))
    }

    /// Starts it now and with each boot; returns when it is ready.
    pub(crate) fn enable(&self) -> anyhow::Result<()> {
        systemctl(&["enable", "--now", self.name]).map(drop)
    }

    /// What `systemctl VERB` does with it; it returns when that is done.
    pub(crate) fn ctl(&self, verb: &str) -> anyhow::Result<()> {
        systemctl(&[verb, self.name]).map(drop)
    }

    /// The same with a signal for its main process.
    pub(crate) fn signal(&self, signal: &str) -> anyhow::Result<()> {
        systemctl(&["kill", "--kill-who=main", "--signal", signal, self.name]).map(drop)
    }

    /// A property, as systemd shows it once the service is on its way nowhere.
    pub(crate) fn property(&self, name: &str) -> anyhow::Result<String> {
        loop {
            let shown = systemctl(&["show", "--property=ActiveState", self.name])?;
            if !shown.contains("deactivating") {
                break;
            }
        }
        systemctl(&["show", "--value", "--property", name, self.name])
    }

    /// What it says of itself, once that holds `text`.
    pub(crate) fn status_with(&self, text: &str) -> anyhow::Result<String> {
        loop {
            let status = self.property("StatusText")?;
            if status.contains(text) {
                return Ok(status);
            }
            ensure!(
                self.property("ActiveState")? == "active",
                "{} is not active, and its last status was: {status}",
                self.name
            );
        }
    }

    /// What happens next to it: `started` when it is ready, `ended` with how and why.
    pub(crate) fn next(&mut self) -> anyhow::Result<String> {
        if self.pipe.buffer().is_empty() {
            let patience = PollTimeout::try_from(PATIENCE)?;
            let file = self.pipe.get_ref();
            let ready = poll(
                &mut [PollFd::new(file.as_fd(), PollFlags::POLLIN)],
                patience,
            )?;
            if ready == 0 {
                bail!("nothing happens to {}:\n{}", self.name, self.journal()?);
            }
        }
        let mut line = String::new();
        self.pipe.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// Its log.
    pub(crate) fn journal(&self) -> anyhow::Result<String> {
        let mut journal = Command::new("journalctl");
        journal.args(["--no-pager", "--output=cat", "--unit", self.name]);
        Ok(String::from_utf8_lossy(&capture(&mut journal)?).into_owned())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may be gone, or never have been there: what fails here was not there.
        let _stopped = systemctl(&["disable", "--now", self.name]);
        let _removed = fs::remove_file(self.unit());
        let _removed = fs::remove_dir_all(&self.drop_in);
        let _forgotten = systemctl(&["daemon-reload"]);
        let _forgotten = self.ctl("reset-failed");
        for folder in FOLDERS {
            let place = Path::new(folder).join(self.name);
            let _removed = fs::remove_file(&place);
            let _removed = fs::remove_dir_all(&place);
        }
    }
}

fn drop_in_text(pipe: &Path) -> String {
    let pipe = pipe.display();
    format!(
        "[Service]\n\
         WatchdogSec={SIGNS}\n\
         RestartSec=100ms\n\
         ExecStartPost=+/bin/sh -c 'echo started >{pipe}'\n\
         ExecStopPost=+/bin/sh -c 'echo \"ended $$SERVICE_RESULT $$EXIT_CODE $$EXIT_STATUS\" >{pipe}'\n"
    )
}

/// What `systemctl` prints.
fn systemctl(arguments: &[&str]) -> anyhow::Result<String> {
    let printed = capture(Command::new("systemctl").args(arguments))?;
    Ok(String::from_utf8_lossy(&printed).trim_end().to_owned())
}
