//! Debian's `docker-registry`, the distribution project's own, on a free port.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};

/// Whom the registry's tokens are for, and who made them.
pub(crate) const SERVICE: &str = "test-registry";
pub(crate) const ISSUER: &str = "test-issuer";

/// What a registry is to be like.
#[derive(Default)]
pub(crate) struct Setup<'a> {
    /// Encrypted, with a certificate of a CA of its own.
    pub(crate) is_encrypted: bool,
    /// The lines of its file of passwords.
    pub(crate) htpasswd: Option<&'a str>,
    /// The URL of its token server, whose tokens are signed with [`RealRegistry::path`]'s
    /// `key.pem`.
    pub(crate) realm: Option<&'a str>,
}

/// A registry. It ends with this value, and its images with it.
pub(crate) struct RealRegistry {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl RealRegistry {
    /// Starts one; `None` where the program is not installed.
    pub(crate) fn start(setup: &Setup<'_>) -> Option<Self> {
        if !has(&["docker-registry", "skopeo"]) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let mut config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
             http:\n  addr: 127.0.0.1:0\n",
            path("images"),
        );
        write_certificates(folder.path());
        if setup.is_encrypted {
            let (certificate, key) = (path("certificate.pem"), path("key.pem"));
            write!(
                config,
                "  tls:\n    certificate: {certificate}\n    key: {key}\n"
            )
            .unwrap();
        }
        if let Some(users) = setup.htpasswd {
            std::fs::write(path("htpasswd"), users).unwrap();
            let users = path("htpasswd");
            write!(
                config,
                "auth:\n  htpasswd:\n    realm: test\n    path: {users}\n"
            )
            .unwrap();
        }
        if let Some(realm) = setup.realm {
            let ca = path("ca.pem");
            write!(
                config,
                "auth:\n  token:\n    realm: {realm}\n    service: {SERVICE}\n    \
                 issuer: {ISSUER}\n    rootcertbundle: {ca}\n"
            )
            .unwrap();
        }
        std::fs::write(path("config.yml"), config).unwrap();
        let mut child = Command::new("docker-registry")
            .args(["serve", &path("config.yml")])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let port = port(&mut log);
        // It would stop if nobody read what it says.
        thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Some(Self {
            child,
            folder,
            port,
        })
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The CA that signed its certificate.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A file of its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where it keeps the blob with this digest.
    pub(crate) fn blob_path(&self, digest: &bencher_oci::Digest) -> PathBuf {
        let hex = digest.hex();
        let blobs = self.folder.path().join("images/docker/registry/v2/blobs");
        blobs.join(format!("{}/{}/{hex}/data", digest.algorithm(), &hex[..2]))
    }

    /// Copies an image to `NAME:TAG` in here.
    pub(crate) fn push(&self, source: &str, name: &str, options: &[&str]) {
        let target = format!("docker://{}/{name}", self.host());
        let args = [
            &["copy", "--quiet", "--dest-tls-verify=false"],
            options,
            &[source, &target],
        ]
        .concat();
        run("skopeo", &args);
    }
}

impl Drop for RealRegistry {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The port that the registry says it listens on.
fn port(log: &mut impl BufRead) -> u16 {
    let mut seen = String::new();
    loop {
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended: {seen}");
        let address = line.split_once("listening on 127.0.0.1:");
        if let Some((_, rest)) = address {
            let digits = rest.split(|character: char| !character.is_ascii_digit());
            return digits.into_iter().next().unwrap().parse().unwrap();
        }
        seen += &line;
    }
}

/// A CA, and a certificate of it for the loopback interface and for the host of Docker Hub.
fn write_certificates(folder: &Path) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name = DistinguishedName::new();
    ca.distinguished_name
        .push(DnType::CommonName, "CA of a test");
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let params =
        CertificateParams::new(["127.0.0.1", "registry-1.docker.io"].map(str::to_owned)).unwrap();
    let issuer = Issuer::new(ca, ca_key);
    let certificate = params.signed_by(&key, &issuer).unwrap();
    for (name, content) in [
        ("ca.pem", ca_certificate.pem()),
        ("certificate.pem", certificate.pem()),
        ("key.pem", key.serialize_pem()),
    ] {
        std::fs::write(folder.join(name), content).unwrap();
    }
}

/// Whether all of these programs are here.
pub(crate) fn has(tools: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let missing: Vec<_> = tools
        .iter()
        .filter(|tool| !std::env::split_paths(&path).any(|folder| folder.join(tool).is_file()))
        .collect();
    if !missing.is_empty() {
        println!("skipped: {missing:?} not installed");
    }
    missing.is_empty()
}

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {errors}");
}
