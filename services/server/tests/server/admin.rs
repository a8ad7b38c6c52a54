//! `runner admin`, the real program, against the real server.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::client::{runner, site};
use crate::support::*;

/// What `runner admin` with these arguments prints, once as it should end well.
fn admin(site: &Site, arguments: &[&str]) -> (String, String) {
    let output = run(site, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

fn run(site: &Site, arguments: &[&str]) -> Output {
    runner(site, &[&["admin"], arguments].concat())
        .output()
        .unwrap()
}

/// What is said where it does not end well; nothing is printed then.
fn refused(site: &Site, arguments: &[&str]) -> String {
    let output = run(site, arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(125), "{arguments:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    stderr
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn projects_are_made_listed_and_bounded() {
    let site = site();
    let (id, said) = admin(&site, &["projects", "create", "q", "--active", "2"]);
    let id = id.trim_end();
    assert!(said.contains("made the project `q`"), "{said}");
    let project = site.api.get("/v0/projects/q");
    assert_eq!(project["id"], id);
    let quota = json!({"queued": 10_000, "active": 2, "priority": 0});
    assert_eq!(project["quota"], quota);
    let (table, _) = admin(&site, &["projects", "ls"]);
    let line = table.lines().find(|line| line.starts_with("q ")).unwrap();
    let cells: Vec<_> = line.split_whitespace().collect();
    assert_eq!(cells[..5], ["q", id, "0/10000", "0/2", "0"], "{table}");
    let (listed, _) = admin(&site, &["projects", "ls", "--json"]);
    assert_eq!(json(&listed)[0], project);
    admin(&site, &["projects", "quota", "q", "--priority", "7"]);
    let quota = json!({"queued": 10_000, "active": 2, "priority": 7});
    assert_eq!(site.api.get("/v0/projects/q")["quota"], quota);
    let (shown, _) = admin(&site, &["projects", "show", id]);
    assert!(shown.contains("at work      0 of 2 at most\n"), "{shown}");
    assert!(refused(&site, &["projects", "quota", "q"]).contains("nothing to change"));
    assert!(refused(&site, &["projects", "create", "q"]).contains("choose another slug"));
    assert!(refused(&site, &["projects", "create", "Q"]).contains("lower-case letters"));
    assert!(refused(&site, &["projects", "show", "../tokens"]).contains("there is no project"));
}

#[test]
fn specs_are_made_listed_and_archived() {
    let site = site();
    let create = [
        "specs",
        "create",
        "arm",
        "--architecture",
        "aarch64",
        "--cpus",
        "4",
        "--memory",
        "8GiB",
        "--disk",
        "512",
        "--sandbox",
        "none",
        "--network",
    ];
    let (id, said) = admin(&site, &create);
    assert!(
        said.contains("runner admin runners link RUNNER arm"),
        "{said}"
    );
    let spec = site.api.get("/v0/specs/arm");
    assert_eq!(spec["id"], id.trim_end());
    assert_eq!(spec["sandbox"], json!(null));
    for (field, value) in [
        ("os", json!("linux")),
        ("architecture", json!("aarch64")),
        ("cpu", json!(4)),
        ("memory", json!(8_u64 << 30)),
        ("disk", json!(512 << 20)),
        ("network", json!(true)),
    ] {
        assert_eq!(spec[field], value, "{field}");
    }
    let (table, _) = admin(&site, &["specs", "ls"]);
    assert!(table.contains("arm   linux aarch64  none"), "{table}");
    let (shown, _) = admin(&site, &["specs", "archive", "arm"]);
    assert!(shown.contains("archived     2"), "{shown}");
    let (table, _) = admin(&site, &["specs", "ls", "--limit", "1"]);
    assert!(table.trim_end().ends_with("archived"), "{table}");
    let (shown, _) = admin(&site, &["specs", "show", "s", "--json"]);
    assert_eq!(json(&shown), site.api.get("/v0/specs/s"));
}

#[test]
fn a_key_is_alone_on_standard_output_and_opens_a_channel() {
    let site = site();
    let (key, said) = admin(&site, &["runners", "create", "lab", "--spec", "s"]);
    assert!(
        said.contains("is shown only now") && !said.contains(key.trim_end()),
        "{said}"
    );
    assert_eq!(key.lines().count(), 1);
    let mut first = Runner::connect(&site.server().url, "lab", key.trim_end()).unwrap();
    first.send(&json!({
        "event": "ready", "poll_timeout": 60,
        "runner": {"os": "linux", "arch": "x86_64", "version": "1.2.3"},
    }));
    // Once it has a job, what it is has been written down.
    let job = site.submit();
    assert_eq!(first.receive()["uuid"], job.as_str());
    let (table, _) = admin(&site, &["runners", "ls"]);
    let line = table.lines().nth(1).unwrap();
    let cells: Vec<_> = line.split_whitespace().collect();
    assert_eq!(cells[..2], ["lab", "connected"], "{table}");
    assert_eq!(cells[3..6], ["linux", "x86_64", "1.2.3"], "{table}");
    let (shown, _) = admin(&site, &["runners", "show", "lab"]);
    assert!(shown.contains("spec         s\n"), "{shown}");
    let (other, said) = admin(&site, &["runners", "rotate-key", "lab"]);
    assert!(said.contains("--key-file FILE"), "{said}");
    assert_eq!(u16::from(first.closed().unwrap().code), 1008);
    let refused = Runner::connect(&site.server().url, "lab", key.trim_end()).unwrap_err();
    assert_eq!(refused.status, 401);
    drop(Runner::connect(&site.server().url, "lab", other.trim_end()).unwrap());
    admin(&site, &["runners", "unlink", "lab", "s"]);
    assert_eq!(site.api.get("/v0/runners/lab")["specs"], json!([]));
    admin(&site, &["runners", "archive", "lab"]);
    let (table, _) = admin(&site, &["runners", "ls"]);
    assert!(table.contains("lab     archived"), "{table}");
    let (_, said) = admin(&site, &["runners", "create", "idle"]);
    assert!(
        said.contains("`runner admin runners link idle SPEC`"),
        "{said}"
    );
}

#[test]
fn a_runner_is_not_linked_to_a_spec_of_another_kind_of_machine() {
    let site = site();
    admin(
        &site,
        &["specs", "create", "arm", "--architecture", "aarch64"],
    );
    admin(
        &site,
        &["specs", "create", "other", "--architecture", "x86_64"],
    );
    let mut connection = site.connected("r");
    // What it is nobody knows yet.
    admin(&site, &["runners", "link", "r", "arm"]);
    admin(&site, &["runners", "unlink", "r", "arm"]);
    connection.send(&json!({
        "event": "ready", "poll_timeout": 60,
        "runner": {"os": "linux", "arch": "x86_64", "version": "1.2.3"},
    }));
    site.submit();
    assert_eq!(connection.receive()["event"], "job");
    let said = refused(&site, &["runners", "link", "r", "arm"]);
    for part in [
        "status 409",
        "the runner `r` says that it is linux x86_64, and the spec `arm` is for linux aarch64",
        "start the runner on such a machine first",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let specs = || {
        site.api.get("/v0/runners/r")["specs"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(specs(), 1);
    // One that can not be linked does not hold up the others.
    let output = run(&site, &["runners", "link", "r", "arm", "other"]);
    assert_eq!(output.status.code(), Some(125));
    assert_eq!(output.stdout, b"other\n");
    assert_eq!(specs(), 2);
    // One that was linked before it said what it is can be seen, and unlinked.
    let arm = site.api.get("/v0/specs/arm")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let runner = site.api.get("/v0/runners/r")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    site.execute(&[&format!(
        "INSERT INTO runner_specs (runner, spec) VALUES ('{runner}', '{arm}')"
    )]);
    let (shown, _) = admin(&site, &["runners", "show", "r"]);
    let expected =
        "spec         arm, for linux aarch64: this runner refuses its jobs, so unlink it\n";
    assert!(shown.contains(expected), "{shown}");
    admin(&site, &["runners", "unlink", "r", "arm"]);
    assert_eq!(specs(), 2);
}

#[test]
fn a_token_is_alone_on_standard_output_and_worthless_once_it_is_revoked() {
    let site = site();
    let (secret, said) = admin(
        &site,
        &[
            "tokens",
            "create",
            "ci",
            "--role",
            "submitter",
            "--project",
            "p",
        ],
    );
    assert!(
        said.contains("is shown only now") && !said.contains(secret.trim_end()),
        "{said}"
    );
    let other = site.api.with_token(secret.trim_end());
    other.submit(&job_body("p", "s"));
    let (table, _) = admin(&site, &["tokens", "ls"]);
    let line = table
        .lines()
        .find(|line| line.contains("submitter"))
        .unwrap();
    let cells: Vec<_> = line.split_whitespace().collect();
    let project = site.api.get("/v0/projects/p")["id"].clone();
    assert_eq!(
        json!([cells[1], cells[2], cells[3]]),
        json!(["submitter", "ci", project])
    );
    assert!(!table.contains(secret.trim_end()));
    let (revoked, _) = admin(&site, &["tokens", "revoke", cells[0]]);
    assert_eq!(revoked.trim_end(), cells[0]);
    assert_eq!(other.send("GET", "/v0/jobs", None).0, 401);
    let (table, _) = admin(&site, &["tokens", "ls"]);
    assert_eq!(table.matches("revoked").count(), 1, "{table}");
    assert!(refused(&site, &["tokens", "revoke", "x"]).contains("there is no token `x`"));
    let said = refused(
        &site,
        &[
            "tokens",
            "create",
            "ci",
            "--role",
            "viewer",
            "--project",
            "none",
        ],
    );
    assert!(said.contains("there is no project `none`"), "{said}");
}

#[test]
fn releases_are_published_with_their_programs_checksum() {
    let site = site();
    let program = site.path("program");
    std::fs::write(&program, "abc").unwrap();
    let program = program.to_str().unwrap();
    let create = [
        "releases",
        "create",
        "1.2.3",
        "--url",
        "https://releases.example/1.2.3",
        "--architecture",
        "x86_64",
    ];
    let (id, _) = admin(&site, &[&create[..], &["--program", program]].concat());
    let release = site.api.get("/v0/releases")["items"][0].clone();
    assert_eq!(release["id"], id.trim_end());
    let checksum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(
        (&release["checksum"], &release["channel"]),
        (&json!(checksum), &json!("stable"))
    );
    let (table, _) = admin(&site, &["releases", "ls"]);
    assert!(table.contains("1.2.3    stable   linux x86_64"), "{table}");
    let said = refused(&site, &[&create[..], &["--checksum", "x"]].concat());
    assert!(
        said.contains("--program FILE takes it of the program itself"),
        "{said}"
    );
    let said = refused(&site, &[&create[..], &["--checksum", checksum]].concat());
    assert!(said.contains("remove that release first"), "{said}");
    admin(&site, &["releases", "rm", id.trim_end()]);
    assert_eq!(site.api.get("/v0/releases")["items"], json!([]));
}

#[test]
fn credentials_come_from_standard_input_and_are_never_shown() {
    let site = site();
    let set = |arguments: &[&str], secret: &str| {
        let mut child = runner(
            &site,
            &[&["admin", "credentials", "set"], arguments].concat(),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(secret.as_bytes()).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap()
    };
    for arguments in [
        &["https://one.example"][..],
        &["https://two.example/a/", "--username", "puller"],
    ] {
        let output = set(arguments, "s3cret-of-a-registry\n");
        assert!(output.status.success(), "{output:?}");
        assert!(
            output.stdout.is_empty() && output.stderr.is_empty(),
            "{output:?}"
        );
    }
    let (listed, _) = admin(&site, &["credentials", "ls"]);
    assert_eq!(listed, "https://one.example\nhttps://two.example/a\n");
    let output = set(&["https://one.example"], "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("the token is empty: give it on standard input"),
        "{said}"
    );
    let output = set(&["one.example"], "x");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("must be an address like https://"), "{said}");
    admin(&site, &["credentials", "rm", "https://two.example/a/"]);
    let (listed, _) = admin(&site, &["credentials", "ls", "--json"]);
    assert_eq!(json(&listed), json!([{"registry": "https://one.example"}]));
}

#[test]
fn who_may_not_administer_is_told() {
    let site = site();
    let body = json!({"name": "ci", "role": "submitter"});
    let token = site.api.post("/v0/tokens", &body)["secret"].clone();
    let output = runner(&site, &["admin", "projects", "create", "q"])
        .env("BENCHER_TOKEN", token.as_str().unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("this needs a token of role admin"), "{said}");
}

#[test]
fn nothing_that_a_hostile_server_says_steers_a_terminal() {
    let site = site();
    let evil = "\u{1b}[2J\u{202e}";
    for (arguments, answer) in [
        (
            &["projects", "ls"][..],
            json!({"items": [{
                "id": evil, "slug": evil, "name": evil, "created": evil, "queued": 1, "active": 1,
                "quota": {"queued": 1, "active": 1, "priority": 1},
            }]}),
        ),
        (
            &["runners", "create", "x"],
            json!({"runner": {"id": "", "slug": evil, "name": "", "created": "", "connected": false}, "key": evil}),
        ),
        (
            &["runners", "create", "x"],
            json!({
                "runner": {"id": "", "slug": evil, "name": "", "created": "", "connected": false},
                "key": "a-good-one",
            }),
        ),
        (
            &["tokens", "create", "x", "--role", "viewer"],
            json!({"token": {"id": evil, "name": "", "role": "viewer", "created": ""}, "secret": "x y"}),
        ),
        (
            &["projects", "create", "x"],
            json!({
                "id": evil, "slug": evil, "name": evil, "created": evil, "queued": 1, "active": 1,
                "quota": {"queued": 1, "active": 1, "priority": 1},
            }),
        ),
        (&["credentials", "ls"], json!([{"registry": evil}])),
        (
            &["credentials", "ls", "--json"],
            json!([{"registry": evil}]),
        ),
        (&["specs", "ls"], json!([evil])),
    ] {
        let answer = answer.to_string();
        let host = between(&site.server().url, move |_| Fate::Answered(answer.clone()));
        let output = runner(&site, &[&["admin"], arguments].concat())
            .env("BENCHER_HOST", host)
            .output()
            .unwrap();
        let shown = [output.stdout, output.stderr].concat();
        let shown = String::from_utf8(shown).unwrap();
        assert!(!shown.is_empty(), "{arguments:?}");
        let is_harmless = |character: char| character == '\n' || !character.is_control();
        assert!(shown.chars().all(is_harmless), "{arguments:?}: {shown:?}");
        assert!(!shown.contains('\u{202e}'), "{arguments:?}: {shown:?}");
    }
}
