//! Debian's `docker-registry` on a free port of loopback.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;

use anyhow::{Context as _, bail};

use crate::process::{capture, command};

/// A registry. It ends with this value.
#[derive(Debug)]
pub(crate) struct Registry {
    child: Child,
    host: String,
}

/// What it says before its port.
const LISTENING: &str = "listening on 127.0.0.1:";

impl Registry {
    /// Starts one that keeps its images in the new folder `folder`.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let config = folder.join("config.yml");
        let text = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
             http:\n  addr: 127.0.0.1:0\n",
            folder.join("images").display()
        );
        fs::write(&config, text)?;
        let mut child = command("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start docker-registry")?;
        let stderr = child.stderr.take().context("its log is not a pipe")?;
        let mut registry = Self {
            child,
            host: String::new(),
        };
        let mut log = BufReader::new(stderr);
        registry.host = format!("127.0.0.1:{}", port(&mut log)?);
        // It would stop if nobody read what it says.
        thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Ok(registry)
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Copies the image of the layout `layout` to `NAME:TAG` in here, as it is.
    ///
    /// # Errors
    ///
    /// When skopeo fails.
    pub(crate) fn push(&self, layout: &Path, name: &str) -> anyhow::Result<()> {
        capture(
            command("skopeo")
                .args([
                    "copy",
                    "--quiet",
                    "--preserve-digests",
                    "--dest-tls-verify=false",
                ])
                .arg(format!("oci:{}", layout.display()))
                .arg(format!("docker://{}/{name}", self.host)),
        )
        .map(|_| ())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// The port that a registry says it listens on.
fn port(log: &mut BufReader<impl Read>) -> anyhow::Result<u16> {
    let mut seen = String::new();
    loop {
        let begin = seen.len();
        if log.read_line(&mut seen)? == 0 {
            bail!("docker-registry ended:\n{seen}");
        }
        if let Some((_, rest)) = seen[begin..].split_once(LISTENING) {
            let end = rest
                .find(|character: char| !character.is_ascii_digit())
                .unwrap_or(rest.len());
            return rest[..end].parse().context("docker-registry has no port");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_in_the_log() {
        let port = |log: &str| port(&mut BufReader::new(log.as_bytes()));
        let log =
            "level=info msg=\"redis not configured\"\nmsg=\"listening on 127.0.0.1:41095\" x\n";
        assert_eq!(port(log).expect("it is there"), 41095);
        let error = port("panic: no such folder\n").expect_err("it has ended");
        assert!(
            error.to_string().contains("panic: no such folder"),
            "{error}"
        );
    }
}
