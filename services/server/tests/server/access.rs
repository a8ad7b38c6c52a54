//! Who may what, and secrets.

use std::path::Path;

use serde_json::json;

use crate::support::*;

fn token(site: &Site, role: &str, project: Option<&str>) -> Api {
    let body = json!({"name": role, "role": role, "project": project});
    let created = site.api.post("/v0/tokens", &body);
    site.api.with_token(created["secret"].as_str().unwrap())
}

#[test]
fn roles() {
    let site = Site::new();
    site.api.post("/v0/projects", &json!({"slug": "q"}));
    let viewer = token(&site, "viewer", None);
    let submitter = token(&site, "submitter", Some("p"));
    let bound = token(&site, "admin", Some("p"));
    let hidden = site.api.submit(&job_body("q", "s"));
    let job = job_body("p", "s");
    assert_eq!(viewer.refused("POST", "/v0/jobs", &job).0, 403);
    let id = submitter.submit(&job);
    assert_eq!(viewer.job(&id)["state"], "pending");
    assert_eq!(
        viewer
            .refused("POST", &format!("/v0/jobs/{id}/cancel"), &json!(null))
            .0,
        403
    );
    // What a token is not good for is not there.
    for (method, path, body) in [
        ("GET", format!("/v0/jobs/{hidden}"), json!(null)),
        ("GET", format!("/v0/jobs/{hidden}/events"), json!(null)),
        ("GET", format!("/v0/jobs/{hidden}/results"), json!(null)),
        ("POST", format!("/v0/jobs/{hidden}/cancel"), json!(null)),
        ("GET", "/v0/projects/q".to_owned(), json!(null)),
        ("GET", "/v0/jobs?project=q".to_owned(), json!(null)),
        ("POST", "/v0/jobs".to_owned(), job_body("q", "s")),
    ] {
        assert_eq!(
            submitter.refused(method, &path, &body).0,
            404,
            "{method} {path}"
        );
    }
    let listed = submitter.get("/v0/jobs");
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        submitter.get("/v0/projects")["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    for api in [&viewer, &submitter, &bound] {
        for (method, path, body) in [
            ("POST", "/v0/runners", json!({"slug": "x"})),
            ("POST", "/v0/projects", json!({"slug": "x"})),
            ("POST", "/v0/tokens", json!({"name": "x", "role": "admin"})),
            ("GET", "/v0/tokens", json!(null)),
            ("GET", "/v0/credentials", json!(null)),
            ("PUT", "/v0/projects/p/quota", json!({"queued": 1_000_000})),
        ] {
            assert_eq!(api.refused(method, path, &body).0, 403, "{method} {path}");
        }
    }
    let tokens = site.api.get("/v0/tokens");
    let first = tokens["items"][2]["id"].as_str().unwrap();
    assert_eq!(tokens["items"][2]["role"], "viewer");
    site.api.delete(&format!("/v0/tokens/{first}"));
    assert_eq!(viewer.refused("GET", "/v0/jobs", &json!(null)).0, 401);
    assert_eq!(
        site.api
            .with_token("x")
            .refused("GET", "/v0/jobs", &json!(null))
            .0,
        401
    );
    // Neither needs one.
    let nobody = site.api.with_token("");
    for path in ["/healthz", "/readyz", "/metrics", "/v0/openapi.json"] {
        assert_eq!(nobody.send("GET", path, None).0, 200, "{path}");
    }
    assert_eq!(nobody.refused("GET", "/v1", &json!(null)).0, 404);
    assert_eq!(nobody.refused("DELETE", "/healthz", &json!(null)).0, 405);
}

#[test]
fn a_token_that_asks_too_often_has_to_wait() {
    let site = Site::with(Setup::with(&["--rate-limit", "1"]));
    let flood = token(&site, "viewer", None);
    let statuses: Vec<_> = (0..8)
        .map(|_| flood.send("GET", "/v0/jobs", None).0)
        .collect();
    assert_eq!(statuses[0], 200);
    assert_eq!(*statuses.last().unwrap(), 429);
    // Others are not held up.
    assert_eq!(
        token(&site, "viewer", None).send("GET", "/v0/jobs", None).0,
        200
    );
}

#[test]
fn guessing_is_slowed_down_and_holds_up_nobody_else() {
    let site = Site::new();
    let key = site.new_runner("r");
    let url = &site.server().url;
    let guess = || Runner::connect(url, "r", "bencher_runner_guess").unwrap_err();
    let statuses: Vec<_> = (0..40).map(|_| guess().status).collect();
    assert_eq!(statuses[0], 401);
    assert_eq!(*statuses.last().unwrap(), 429);
    let stranger = site.api.with_token("bencher_user_guess");
    assert_eq!(stranger.refused("GET", "/v0/jobs", &json!(null)).0, 429);
    // Whoever has a good key or a good token may be behind the same proxy.
    site.submit();
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    runner.claim();
    assert_eq!(guess().status, 429);
    // The log tells of those that were counted, and of no key.
    let log = || std::fs::read_to_string(site.path("log")).unwrap();
    let refused = log();
    let lines = || {
        refused
            .lines()
            .filter(|line| line.contains("a runner was refused"))
    };
    assert!((1..40).contains(&lines().count()), "{refused}");
    for line in lines() {
        assert!(line.contains("WARN"), "{line}");
        assert!(line.contains("runner=r peer=127.0.0.1:"), "{line}");
    }
    assert!(!refused.contains("bencher_runner_guess"), "{refused}");
}

#[test]
fn names_of_runners_that_are_none_are_only_texts_in_the_log() {
    let site = Site::new();
    let url = &site.server().url;
    let name = format!("a%0AINFO%20b%1B%5B2J{}", "x".repeat(500));
    let refused = Runner::connect(url, &name, "bencher_runner_guess").unwrap_err();
    assert_eq!(refused.status, 401);
    let log = std::fs::read_to_string(site.path("log")).unwrap();
    let line = log.lines().find(|line| line.contains("was refused"));
    let line = line.expect("it is logged");
    let shown = format!("runner=a\\nINFO b\\u{{1b}}[2J{} peer", "x".repeat(52));
    assert!(line.contains(&shown), "{line}");
}

#[test]
fn nothing_secret_is_kept_as_it_is() {
    let mut site = Site::new();
    let key = site.new_runner("r");
    let secret = "registry-secret-0123456789";
    let credential = json!({"registry": "http://127.0.0.1:5000/", "token": secret});
    site.api.put("/v0/credentials", &credential);
    assert_eq!(
        site.api.get("/v0/credentials"),
        json!([{"registry": "http://127.0.0.1:5000"}])
    );
    // It goes to the runner of a job with that registry.
    let mut runner = Runner::connect(&site.server().url, "r", &key).unwrap();
    let value = "variable-secret-0123456789";
    let mut body = job_body("p", "s");
    body["config"]["env"] = json!({"PASSWORD": value});
    site.api.submit(&body);
    let sides = [&body["config"], &config()];
    let comparison = json!({"project": "p", "spec": "s", "rounds": 1, "sides": sides});
    site.api.post("/v0/comparisons", &comparison);
    let job = runner.claim();
    assert_eq!(job["oci_token"], secret);
    assert_eq!(job["config"]["env"]["PASSWORD"], value);
    runner.complete(&job["uuid"]);
    let token = site.api.token().to_owned();
    let secrets = [&key[15..], &token[13..], secret, value];
    // With the database's log, and without.
    site.kill();
    assert!(site.path("server.sqlite-wal").is_file());
    holds_none(site.folder.path(), secrets);
    site.start_again();
    assert!(site.server.expect("it runs").stop());
    holds_none(site.folder.path(), secrets);
}

/// Makes sure that no file of a server has any of `secrets` in it.
fn holds_none(folder: &Path, secrets: [&str; 4]) {
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_file() {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        seen += usize::from(bytes.len() > 10_000);
        for text in secrets {
            let is_there = bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes());
            assert!(!is_there, "{text} in {}", path.display());
        }
    }
    assert!(seen > 0, "there is a database");
}

#[test]
fn commands_beside_older_servers_leave_their_database_as_it_is() {
    let mut site = Site::new();
    assert!(site.server.take().unwrap().stop());
    // As a server of the version before had made it.
    site.execute(&[
        "DROP INDEX jobs_due",
        "ALTER TABLE jobs DROP COLUMN held_until",
        "DELETE FROM _sqlx_migrations WHERE version = 11",
    ]);
    for command in [
        &["token", "create", "--name", "n", "--role", "viewer"][..],
        &["secrets", "forget"],
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_bencher-server"))
            .args(command)
            .arg("--data-dir")
            .arg(site.folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(78), "{command:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("start the new server first"), "{errors}");
    }
    site.start_again();
}

#[test]
fn a_lost_key_is_told_and_its_secrets_can_be_given_up() {
    let mut site = Site::new();
    let key = site.new_runner("r");
    let registry = "http://127.0.0.1:5000";
    site.api.put(
        "/v0/credentials",
        &json!({"registry": registry, "token": "t"}),
    );
    let mut body = job_body("p", "s");
    body["config"]["env"] = json!({"PASSWORD": "hunter2"});
    let ended = site.api.submit(&body);
    let mut runner = Runner::connect(&site.server().url, "r", &key).unwrap();
    let job = runner.claim();
    runner.complete(&job["uuid"]);
    site.api.wait_for(&ended, &["processed"]);
    let waits = site.api.submit(&body);
    site.kill();
    std::fs::write(site.path("secrets.key"), "00".repeat(32)).unwrap();
    let (code, errors) = Server::refused(site.folder.path(), &Setup::default());
    assert_eq!(code, LASTING);
    assert!(
        errors.contains("`bencher-server secrets forget`"),
        "{errors}"
    );
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_bencher-server"))
        .args(["secrets", "forget", "--data-dir"])
        .arg(site.folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text, "credentials given up: 1\n");
    site.start_again();
    assert_eq!(site.api.get("/v0/credentials"), json!([]));
    let mut runner = Runner::connect(&site.server().url, "r", &key).unwrap();
    let id = site.submit();
    let job = runner.claim();
    assert_eq!((&job["uuid"], &job["oci_token"]), (&json!(id), &json!("")));
    // The one before it could not be handed over.
    let failed = site.api.job(&waits);
    assert_eq!(
        (&failed["state"], &failed["reason"]),
        (&json!("failed"), &json!("job_failed"))
    );
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("can not be decrypted"), "{error}");
    let viewer = token(&site, "viewer", None);
    for (api, shown) in [(&site.api, "(unreadable)"), (&viewer, "(hidden)")] {
        for job in [&failed["id"], &json!(ended)] {
            let job = api.job(job.as_str().unwrap());
            assert_eq!(job["config"]["env"], json!({"PASSWORD": shown}));
        }
        assert_eq!(api.get("/v0/jobs")["items"].as_array().unwrap().len(), 3);
    }
    let credential = json!({"registry": registry, "token": "t"});
    site.api.put("/v0/credentials", &credential);
    let again = format!("/v0/credentials?registry={registry}");
    site.api.delete(&again);
    assert_eq!(site.api.refused("DELETE", &again, &json!(null)).0, 404);
    for (registry, token) in [("ftp://x", "t"), ("https://x", ""), ("https://x", "a b")] {
        let body = json!({"registry": registry, "token": token});
        assert_eq!(site.api.refused("PUT", "/v0/credentials", &body).0, 400);
    }
}

#[test]
fn slugs_are_taken_once_and_texts_are_only_texts() {
    let site = Site::new();
    let name = "<script>alert(1)</script> '; DROP TABLE jobs; --";
    site.api
        .post("/v0/runners", &json!({"slug": "r", "name": name}));
    assert_eq!(site.api.get("/v0/runners/r")["name"], name);
    for (path, body, status) in [
        ("/v0/runners", json!({"slug": "r"}), 409),
        ("/v0/projects", json!({"slug": "p"}), 409),
        ("/v0/runners", json!({"slug": "../r"}), 400),
        ("/v0/runners", json!({"slug": "x", "name": "a\u{0}"}), 400),
        ("/v0/runners", json!({"slug": "x", "specs": ["none"]}), 404),
        ("/v0/runners", json!({"slug": "x", "color": 1}), 422),
    ] {
        let (found, message) = site.api.refused("POST", path, &body);
        assert_eq!(found, status, "{body}: {message}");
    }
    let runners = site.api.get("/v0/runners");
    assert_eq!(runners["items"].as_array().unwrap().len(), 1);
}

#[test]
fn values_of_variables_are_not_for_those_who_only_read() {
    let site = Site::new();
    let mut body = job_body("p", "s");
    body["config"]["env"] = json!({"PASSWORD": "hunter2"});
    let submitted = site.api.post("/v0/jobs", &body);
    assert_eq!(submitted["config"]["env"]["PASSWORD"], "hunter2");
    let id = submitted["id"].as_str().unwrap();
    for (role, shown) in [
        ("viewer", "(hidden)"),
        ("submitter", "hunter2"),
        ("admin", "hunter2"),
    ] {
        let api = token(&site, role, Some("p"));
        let job = api.job(id);
        assert_eq!(job["config"]["env"]["PASSWORD"], shown, "{role}");
        let list = api.get("/v0/jobs");
        assert_eq!(list["items"][0]["config"], job["config"], "{role}");
    }
    // Its runner gets it as it is.
    let job = site.connected("r").claim();
    assert_eq!(job["config"]["env"]["PASSWORD"], "hunter2");
}
