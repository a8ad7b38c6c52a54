//! Debian's `docker-registry`, the distribution project's own, on a free port of loopback.

use std::fmt::{Display, Write as _};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::certificates;
use crate::programs::{missing, run};

/// Whom the registry's tokens are for.
pub const SERVICE: &str = "test-registry";
/// Who made the registry's tokens.
pub const ISSUER: &str = "test-issuer";

/// A user whom a registry may know.
pub const USER: &str = "user";
/// That user's password.
pub const PASSWORD: &str = "open sesame";
/// The line of that user in a file of passwords (`htpasswd -nbB`).
pub const HTPASSWD: &str = "user:$2y$05$SR/JEAFFLx8bXDfVzNyvF.fdp8RV6AGxMYIAuZTXRRY9NSi2ktW6u\n";

/// What it says before its port.
const LISTENING: &str = "listening on 127.0.0.1:";

/// What a registry is to be like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup<'a> {
    /// Encrypted, with a certificate of a CA of its own.
    pub is_encrypted: bool,
    /// The lines of its file of passwords.
    pub htpasswd: Option<&'a str>,
    /// The URL of its token server, whose tokens are signed with `key.pem` of [`Registry::path`].
    pub realm: Option<&'a str>,
}

/// A registry. It ends with this value.
#[derive(Debug)]
pub struct Registry {
    folder: PathBuf,
    /// Its configuration, behind the port.
    config: String,
    port: u16,
    child: Option<Child>,
    _own: Option<TempDir>,
}

impl Registry {
    /// Starts one with a folder of its own, which ends with it; `None` where a program for it is not
    /// installed, which is said.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(setup: &Setup<'_>) -> anyhow::Result<Option<Self>> {
        if missing(&["docker-registry", "skopeo"]) {
            return Ok(None);
        }
        let own = tempfile::tempdir()?;
        let folder = own.path().to_owned();
        Self::begin(&folder, Some(own), setup).map(Some)
    }

    /// Starts one that keeps everything in the folder `folder`, which is made.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_in(folder: &Path, setup: &Setup<'_>) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        Self::begin(folder, None, setup)
    }

    fn begin(folder: &Path, own: Option<TempDir>, setup: &Setup<'_>) -> anyhow::Result<Self> {
        let path = |name: &str| folder.join(name).display().to_string();
        let mut config = String::new();
        if setup.is_encrypted || setup.realm.is_some() {
            certificates::write(folder)?;
        }
        if setup.is_encrypted {
            let (certificate, key) = (path("certificate.pem"), path("key.pem"));
            writeln!(
                config,
                "  tls:\n    certificate: {certificate}\n    key: {key}"
            )?;
        }
        let images = path("images");
        writeln!(
            config,
            "storage:\n  filesystem:\n    rootdirectory: {images}"
        )?;
        if let Some(users) = setup.htpasswd {
            fs::write(path("htpasswd"), users)?;
            let users = path("htpasswd");
            writeln!(
                config,
                "auth:\n  htpasswd:\n    realm: test\n    path: {users}"
            )?;
        }
        if let Some(realm) = setup.realm {
            let ca = path("ca.pem");
            writeln!(
                config,
                "auth:\n  token:\n    realm: {realm}\n    service: {SERVICE}\n    \
                 issuer: {ISSUER}\n    rootcertbundle: {ca}"
            )?;
        }
        let mut registry = Self {
            folder: folder.to_owned(),
            config,
            port: 0,
            child: None,
            _own: own,
        };
        registry.serve()?;
        Ok(registry)
    }

    /// Ends it, as a crash would.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may be gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it where it was, unless it runs. It answers when this returns.
    ///
    /// # Errors
    /// When it does not start.
    pub fn serve(&mut self) -> anyhow::Result<()> {
        if self.child.is_some() {
            return Ok(());
        }
        let file = self.path("config.yml");
        let (port, rest) = (self.port, &self.config);
        let config = format!("version: 0.1\nhttp:\n  addr: 127.0.0.1:{port}\n{rest}");
        fs::write(&file, config)?;
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("docker-registry can not be started")?;
        let child = self.child.insert(child);
        let log = child.stderr.take().context("its log is not a pipe")?;
        let mut log = BufReader::new(log);
        self.port = listening(&mut log)?;
        // It would stop if nobody read what it says.
        thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Ok(())
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The CA that signed its certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A file of its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Where it keeps the blob with this digest, `ALGORITHM:HEX`.
    ///
    /// # Errors
    /// When that is no digest.
    pub fn blob_path(&self, digest: impl Display) -> anyhow::Result<PathBuf> {
        let digest = digest.to_string();
        let (algorithm, hex) = digest.split_once(':').context("not a digest")?;
        let first = hex.get(..2).context("not a digest")?;
        let blobs = self.path("images/docker/registry/v2/blobs");
        Ok(blobs.join(format!("{algorithm}/{first}/{hex}/data")))
    }

    /// Copies the image `source`, as skopeo names it, to `NAME:TAG` in here.
    ///
    /// # Errors
    /// When skopeo fails.
    pub fn push(&self, source: &str, name: &str, options: &[&str]) -> anyhow::Result<()> {
        let target = format!("docker://{}/{name}", self.host());
        let copy = ["copy", "--quiet", "--dest-tls-verify=false"];
        let arguments = [&copy[..], options, &[source, &target]].concat();
        run(&self.folder, "skopeo", &arguments).map(|_| ())
    }

    /// The digest of what `NAME:TAG` stands for in here. Nobody may have to log in.
    ///
    /// # Errors
    /// When skopeo fails, as where there is nothing of that name.
    pub fn digest(&self, name: &str) -> anyhow::Result<String> {
        let image = format!("docker://{}/{name}", self.host());
        let format = ["--format", "{{.Digest}}", &image];
        let arguments = [&["inspect", "--tls-verify=false"], &format[..]].concat();
        Ok(run(&self.folder, "skopeo", &arguments)?.trim().to_owned())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The port that a registry says it listens on.
fn listening(log: &mut impl BufRead) -> anyhow::Result<u16> {
    let mut seen = String::new();
    loop {
        let begin = seen.len();
        if log.read_line(&mut seen)? == 0 {
            bail!("docker-registry ended:\n{seen}");
        }
        if let Some((_, rest)) = seen[begin..].split_once(LISTENING) {
            let end = rest.find(|character: char| !character.is_ascii_digit());
            let digits = &rest[..end.unwrap_or(rest.len())];
            return digits.parse().context("docker-registry has no port");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_in_the_log() {
        let listening = |log: &str| listening(&mut log.as_bytes());
        let log =
            "level=info msg=\"redis not configured\"\nmsg=\"listening on 127.0.0.1:41095\" x\n";
        assert_eq!(listening(log).expect("it is there"), 41095);
        let error = listening("panic: no such folder\n").expect_err("it has ended");
        assert!(
            error.to_string().contains("panic: no such folder"),
            "{error}"
        );
    }
}
