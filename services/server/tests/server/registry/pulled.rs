//! Images of a registry that the real runner pulls.

use std::net::TcpListener;

use serde_json::json;

use super::{Registry, Trust, push};
use crate::client::{runner, site};
use crate::support::*;

/// What is said of an image that was pulled, and holds nothing that could be run.
const PULLED: &str = "no command to run";

/// Starts a runner that finds its server's jobs of the spec `host`.
fn on_host(site: &Site) -> Up {
    let key = site.new_runner("r");
    // There may be no VMM on this host.
    let spec = json!({
        "slug": "host", "os": "linux", "architecture": "x86_64", "sandbox": null, "cpu": 1,
        "memory": 1 << 30, "disk": 1 << 30,
    });
    site.api.post("/v0/specs", &spec);
    site.api.put("/v0/runners/r/specs/host", &json!(null));
    Up::start(site, &site.server().url, &key, &[])
}

fn project(site: &Site) -> String {
    let project = site.api.get("/v0/projects/p");
    project["id"].as_str().unwrap().to_owned()
}

#[test]
fn an_image_in_a_folder_is_submitted_and_pulled() {
    let folder = tempfile::tempdir().unwrap();
    let Some(registry) = Registry::start(folder.path(), None) else {
        return;
    };
    let site = site();
    let project = project(&site);
    let digest = push(&registry, &format!("a/b/{project}"));
    let host = registry.url.strip_prefix("http://").unwrap();
    let image = format!("{host}/a/b/{project}:v1");
    let _runner = on_host(&site);
    for named in [&[][..], &["--project", "p"]] {
        let arguments = [&["submit", &image, "--spec", "host"], named].concat();
        let submitted = runner(&site, &arguments).output().unwrap();
        assert!(submitted.status.success(), "{submitted:?}");
        let id = String::from_utf8(submitted.stdout).unwrap();
        let id = id.trim_end();
        site.api.wait_for(id, &["failed"]);
        let job = site.api.job(id);
        assert_eq!(job["config"]["registry"], format!("{}/a/b/", registry.url));
        assert_eq!(job["config"]["digest"], digest.as_str());
        let error = job["error"].as_str().unwrap();
        assert!(error.contains(PULLED), "{error}");
    }
}

#[test]
fn a_runner_pulls_with_the_token_of_its_job_and_with_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let Some(open) = Registry::start(folder.path(), None) else {
        return;
    };
    // The server has to know the registry's address, and the registry the server's certificate.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let site = Site::with(Setup::with(&["--registry", &address]));
    let project = project(&site);
    let digest = push(&open, &project);
    drop(open);
    let trust = Trust {
        certificate: &site.path("registry.crt.pem"),
        realm: "http://127.0.0.1/none",
    };
    let registry = Registry::start(folder.path(), Some(trust)).unwrap();
    pass_on(listener, &registry.url, |_| Fate::Passed);
    let elsewhere = between(&registry.url, |_| Fate::Passed);
    for place in [&address, &elsewhere] {
        let manifest = format!("{place}/v2/{project}/manifests/{digest}");
        let without = ureq::get(manifest).call();
        assert!(
            matches!(without, Err(ureq::Error::StatusCode(401))),
            "{without:?}"
        );
    }
    // As for another registry, whose token is of no use at this one.
    let credential = json!({"registry": elsewhere, "token": "wrong"});
    site.api.put("/v0/credentials", &credential);
    let _runner = on_host(&site);
    for (place, expected) in [(&address, PULLED), (&elsewhere, "the token was refused")] {
        let mut body = job_body("p", "host");
        body["config"]["registry"] = json!(place);
        body["config"]["digest"] = json!(digest);
        let id = site.api.submit(&body);
        site.api.wait_for(&id, &["failed"]);
        let job = site.api.job(&id);
        let error = job["error"].as_str().unwrap();
        assert!(error.contains(expected), "{error}");
    }
}
