//! Debian's `docker-registry`, which trusts the server's tokens.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::*;

/// A registry with its images in a folder. It ends with this value.
struct Registry {
    child: Child,
    url: String,
}

impl Registry {
    /// Starts one; `None` where it is not installed. `trusted` is the certificate that tokens must
    /// come with; without one everybody may do everything.
    fn start(folder: &Path, trusted: Option<&Path>) -> Option<Self> {
        let mut config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
             http:\n  addr: 127.0.0.1:0\n",
            folder.join("images").display(),
        );
        if let Some(trusted) = trusted {
            let _ = write!(
                config,
                "auth:\n  token:\n    realm: http://127.0.0.1/none\n    service: registry\n    \
                 issuer: bencher-server\n    rootcertbundle: {}\n",
                trusted.display(),
            );
        }
        let path = folder.join("config.yml");
        std::fs::write(&path, config).unwrap();
        let spawned = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut child) = spawned else {
            println!("skipped: docker-registry is not installed");
            return None;
        };
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut seen = String::new();
        let port = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended: {seen}");
            if let Some((_, rest)) = line.split_once("listening on 127.0.0.1:") {
                let digits = rest.split(|character: char| !character.is_ascii_digit());
                break digits.into_iter().next().unwrap().to_owned();
            }
            seen += &line;
        };
        // It would stop if nobody read what it says.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let url = format!("http://127.0.0.1:{port}");
        Some(Self { child, url })
    }

    /// The status of a manifest.
    fn manifest(&self, repository: &str, digest: &str, token: &str) -> u16 {
        let api = Api::new(&self.url, token);
        let path = format!("/v2/{repository}/manifests/{digest}");
        api.send("GET", &path, None).0
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Puts the smallest image into a repository, and gives its digest.
fn push(registry: &Registry, repository: &str) -> String {
    let agent = ureq::Agent::new_with_defaults();
    let config = "{}";
    let uploads = format!("{}/v2/{repository}/blobs/uploads/", registry.url);
    let begun = agent.post(&uploads).send_empty().unwrap();
    let place = begun.headers()["location"].to_str().unwrap().to_owned();
    let digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    agent
        .put(format!("{place}&digest={digest}"))
        .send(config)
        .unwrap();
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": kind, "layers": [],
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": 2,
        },
    });
    let put = agent
        .put(format!("{}/v2/{repository}/manifests/v1", registry.url))
        .header("content-type", kind)
        .send(manifest.to_string())
        .unwrap();
    put.headers()["docker-content-digest"]
        .to_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_runner_gets_a_token_for_its_projects_images_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let Some(open) = Registry::start(folder.path(), None) else {
        return;
    };
    let address = "http://registry.example:5000";
    let site = Site::with(Setup::with(&["--registry", address]));
    let project = site.api.get("/v0/projects/p")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let digest = push(&open, &project);
    assert_eq!(push(&open, "other"), digest);
    drop(open);
    let certificate = site.path("registry.crt.pem");
    let registry = Registry::start(folder.path(), Some(&certificate)).unwrap();
    let mut runner = site.connected("r");
    let mut body = job_body("p", "s");
    body["config"]["registry"] = json!(format!("{address}/"));
    body["config"]["digest"] = json!(digest);
    site.api.submit(&body);
    let job = runner.claim();
    let token = job["oci_token"].as_str().unwrap();
    assert_eq!(registry.manifest(&project, &digest, token), 200);
    assert_eq!(registry.manifest("other", &digest, token), 401);
    assert_eq!(registry.manifest(&project, &digest, "none"), 401);
    // To pull, and not to push.
    let upload = format!("/v2/{project}/blobs/uploads/");
    assert_eq!(
        Api::new(&registry.url, token).send("POST", &upload, None).0,
        401
    );
    // Another registry's job gets none.
    runner.complete(&job["uuid"]);
    site.submit();
    assert_eq!(runner.claim()["oci_token"], Value::from(""));
}
