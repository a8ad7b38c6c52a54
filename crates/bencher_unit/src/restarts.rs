//! How soon a service that has ended is started again, by `systemd.service`(5).

use std::process::{Command, Stdio};

/// The first systemd that can wait longer each time (`RestartSteps=`). Others say that they do not know the
/// setting.
const LONGER_EACH_TIME: u32 = 254;

/// What a service manager can do about a service that ends again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restarts {
    waits_longer_each_time: bool,
}

impl Restarts {
    /// Of this host's systemd.
    pub fn here() -> Self {
        let mut command = Command::new("systemctl");
        // A key or a token may be in the environment.
        command
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        let said = command.arg("--version").stdin(Stdio::null()).output();
        let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        Self::of(&said.unwrap_or_default())
    }

    /// Of the systemd that says this of its version.
    pub fn of(said: &str) -> Self {
        let version = said.strip_prefix("systemd ").and_then(|rest| {
            let digits = rest.split(|character: char| !character.is_ascii_digit());
            digits.into_iter().next()?.parse::<u32>().ok()
        });
        Self {
            waits_longer_each_time: version.is_some_and(|version| version >= LONGER_EACH_TIME),
        }
    }

    /// The settings of a unit, a line each: after five seconds, and after ever more up to a minute.
    pub fn settings(self) -> &'static str {
        if self.waits_longer_each_time {
            "Restart=always\nRestartSec=5\nRestartSteps=5\nRestartMaxDelaySec=60\n"
        } else {
            "Restart=always\nRestartSec=5\n"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_systemd_knows_is_in_its_units() {
        for (said, is_known) in [
            ("systemd 252 (252.38-1~deb12u1)\n+PAM +AUDIT", false),
            ("systemd 253.5 (253.5-1)", false),
            ("systemd 254 (254~rc3-1)\n", true),
            ("systemd 257 (257.8-1~deb13u2)\n", true),
            ("", false),
            ("systemd", false),
        ] {
            let settings = Restarts::of(said).settings();
            assert!(settings.starts_with("Restart=always\n"), "{settings}");
            assert_eq!(settings.contains("RestartSteps="), is_known, "{said}");
        }
    }
}
