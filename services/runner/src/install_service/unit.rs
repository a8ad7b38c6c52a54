//! The texts of a unit and of its environment file, by `systemd.service`(5) and `systemd.exec`(5).

use std::path::Path;
use std::time::Duration;

use bencher_channel_protocol::RunnerId;
use bencher_runner::up::REPLACED;
use bencher_unit::{Hidden, Restarts, UnitError, absolute, quoted, specifiers};

/// How long beyond the drain timeout the service may take to end before it is killed.
const STOP_MARGIN: Duration = Duration::from_secs(30);

/// What a unit is made of.
#[derive(Debug)]
pub(super) struct Unit<'a> {
    pub(super) program: &'a Path,
    pub(super) environment: &'a Path,
    pub(super) drain_timeout: Duration,
    pub(super) options: &'a [String],
    pub(super) hidden: &'a Hidden,
    pub(super) restarts: Restarts,
}

/// What a unit's environment file is made of, beside the key.
#[derive(Debug)]
pub(super) struct Environment<'a> {
    pub(super) host: &'a str,
    pub(super) runner: &'a RunnerId,
}

/// What only machines' own kernels need, where every job has one. What comes of it is inherited: the command
/// of a job without a sandbox would feel it.
const OF_MACHINES: &str = "\
# Jobs run in machines, whose kernels are their own: on the host's nothing changes its user by a\n\
# program's mode, writes to the audit log, wants another machine's system calls, another personality, a\n\
# realtime priority, or another network than these (ip and nft speak netlink, QEMU and Firecracker have\n\
# sockets in the filesystem).\n\
NoNewPrivileges=yes\n\
CapabilityBoundingSet=~CAP_AUDIT_WRITE\n\
SystemCallArchitectures=native\n\
LockPersonality=yes\n\
RestrictRealtime=yes\n\
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK\n";

/// The same where jobs may be without a sandbox.
const OF_HOST_JOBS: &str = "\
# Jobs may be without a sandbox, and what would be taken from the service would be taken from their\n\
# commands: programs that change their user, personalities, other system calls and sockets.\n";

impl Unit<'_> {
    /// Whether commands of jobs may run on this host's kernel.
    fn allows_no_sandbox(&self) -> bool {
        let mut options = self.options.iter();
        options.any(|option| option == "--danger-allow-no-sandbox")
    }

    /// The unit.
    ///
    /// # Errors
    ///
    /// When a path or an option can not stand in a unit.
    pub(super) fn text(&self) -> Result<String, UnitError> {
        let mut command = quoted(absolute(self.program)?)?;
        let drain = format!("{}ms", self.drain_timeout.as_millis());
        for word in ["up", "--drain-timeout", &drain] {
            command = format!("{command} {word}");
        }
        for option in self.options {
            command = format!("{command} {}", quoted(option)?);
        }
        let environment = specifiers(absolute(self.environment)?)?;
        let (hidden, restarts) = (self.hidden.settings(), self.restarts.settings());
        let stop = (self.drain_timeout + STOP_MARGIN).as_secs();
        let hardening = if self.allows_no_sandbox() {
            OF_HOST_JOBS
        } else {
            OF_MACHINES
        };
        Ok(format!(
            "[Unit]\n\
             Description=Runner of benchmarks\n\
             Wants=network-online.target\n\
             After=network-online.target\n\
             \n\
             [Service]\n\
             Type=notify\n\
             NotifyAccess=main\n\
             WatchdogSec=60\n\
             ExecStart={command}\n\
             EnvironmentFile={environment}\n\
             Environment=BENCHER_RUNNER_CACHE_DIR=/var/cache/bencher-runner\n\
             Environment=BENCHER_RUNNER_STATE_DIR=/var/lib/bencher-runner\n\
             CacheDirectory=bencher-runner\n\
             StateDirectory=bencher-runner\n\
             CacheDirectoryMode=0700\n\
             StateDirectoryMode=0700\n\
             # The first SIGTERM is for the runner alone, which lets its job end.\n\
             KillMode=mixed\n\
             TimeoutStopSec={stop}\n\
             # The guest's kernel may have to be fetched before it is ready.\n\
             TimeoutStartSec=15min\n\
             SuccessExitStatus=143\n\
             {restarts}\
             # Another one has its place: two that start again for ever take it from each other.\n\
             RestartPreventExitStatus={REPLACED}\n\
             # The cgroups of machines and of the host's quiet are its own.\n\
             Delegate=yes\n\
             UMask=0077\n\
             LimitCORE=0\n\
             # What is left out here would take away what a run needs: namespaces, mounts, devices, the\n\
             # kernel's knobs and its log, host names of its own, and code that QEMU makes.\n\
             {hidden}\
             # Neither the runner, nor what it starts, loads modules, sets clocks, or does anything else of\n\
             # these.\n\
             CapabilityBoundingSet=~CAP_SYS_MODULE CAP_SYS_BOOT CAP_SYS_TIME CAP_SYS_PACCT\n\
             CapabilityBoundingSet=~CAP_AUDIT_CONTROL CAP_AUDIT_READ CAP_MAC_ADMIN CAP_MAC_OVERRIDE\n\
             CapabilityBoundingSet=~CAP_BLOCK_SUSPEND CAP_LEASE CAP_SYS_TTY_CONFIG CAP_WAKE_ALARM\n\
             {hardening}\
             \n\
             [Install]\n\
             WantedBy=multi-user.target\n"
        ))
    }
}

impl Environment<'_> {
    /// The file, with `key`.
    ///
    /// # Errors
    ///
    /// When the server's address can not stand in it.
    pub(super) fn text(&self, key: &str) -> Result<String, String> {
        let is_bad = |character: char| {
            character.is_control()
                || character.is_whitespace()
                || matches!(character, '"' | '\'' | '\\')
        };
        if self.host.contains(is_bad) {
            return Err(format!("{:?} is no address of a server", self.host));
        }
        Ok(format!(
            "BENCHER_HOST=\"{}\"\nBENCHER_RUNNER={}\nBENCHER_RUNNER_KEY={key}\n",
            self.host, self.runner
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(options: &[&str]) -> Result<String, UnitError> {
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        Unit {
            program: Path::new("/usr/local/bin/runner"),
            environment: Path::new("/etc/bencher-runner/runner.env"),
            drain_timeout: Duration::from_millis(1500),
            options: &options,
            hidden: &Hidden::default(),
            restarts: Restarts::of("systemd 252"),
        }
        .text()
    }

    /// What a job without a sandbox runs inherits what the service has.
    #[test]
    fn jobs_without_a_sandbox_are_not_restricted() {
        for (options, is_restricted) in [
            (&["--sandbox", "qemu"][..], true),
            (&["--danger-allow-no-sandbox"], false),
        ] {
            let text = unit(options).unwrap();
            for setting in [
                "NoNewPrivileges=yes",
                "CAP_AUDIT_WRITE",
                "SystemCallArchitectures=",
                "LockPersonality=yes",
                "RestrictRealtime=yes",
                "RestrictAddressFamilies=",
            ] {
                assert_eq!(text.contains(setting), is_restricted, "{setting}: {text}");
            }
        }
    }

    #[test]
    fn a_unit() {
        insta::assert_snapshot!(unit(&["--sandbox", "qemu"]).unwrap());
    }

    #[test]
    fn words_are_what_they_were() {
        let text = unit(&["a b", "100%", "$HOME", "\"q\"", "back\\slash"]).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("ExecStart="))
            .unwrap();
        assert!(
            line.ends_with(r#" "a b" "100%%" "$$HOME" "\"q\"" "back\\slash""#),
            "{line}"
        );
        assert!(unit(&["a\nExecStartPost=x"]).is_err());
    }

    #[test]
    fn the_environment_has_what_up_needs() {
        let runner = "bench-1".parse().unwrap();
        let environment = |host| {
            Environment {
                host,
                runner: &runner,
            }
            .text("bencher_runner_x")
        };
        assert_eq!(
            environment("https://api.example.com").unwrap(),
            "BENCHER_HOST=\"https://api.example.com\"\nBENCHER_RUNNER=bench-1\n\
             BENCHER_RUNNER_KEY=bencher_runner_x\n"
        );
        assert!(environment("http://x\nA=b").is_err());
        assert!(environment("http://x\"").is_err());
    }
}
