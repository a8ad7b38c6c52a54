//! `runner submit` and `runner jobs`, the real program, against the real server.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::evidence;
use crate::support::*;

/// The `runner` program: the one that `BENCHER_RUNNER_BIN` names, or the one beside the server's, which
/// is built here, since Cargo builds only the programs of the package that it tests.
pub(crate) static RUNNER: LazyLock<PathBuf> = LazyLock::new(|| {
    if let Some(path) = std::env::var_os("BENCHER_RUNNER_BIN") {
        return path.into();
    }
    let server = PathBuf::from(env!("CARGO_BIN_EXE_bencher-server"));
    let folder = server.parent().expect("a folder");
    let mut build = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    // With the server, so that dependencies have the features that they have already.
    build.args([
        "build",
        "--bins",
        "--package",
        "bencher_server",
        "--package",
        "bencher_runner_cli",
    ]);
    if folder.ends_with("release") {
        build.arg("--release");
    }
    build
        .arg("--target-dir")
        .arg(folder.parent().expect("a target folder"));
    assert!(
        build.status().expect("cargo runs").success(),
        "runner is built"
    );
    folder.join("runner")
});

/// A site for `runner`, which is there before it: building it takes longer than runners are waited for.
pub(crate) fn site() -> Site {
    LazyLock::force(&RUNNER);
    Site::new()
}

/// `runner` with these arguments, for somebody with the site's token.
pub(crate) fn runner(site: &Site, arguments: &[&str]) -> Command {
    let mut command = Command::new(&*RUNNER);
    command
        .args(arguments)
        .env("BENCHER_HOST", &site.server().url)
        .env("BENCHER_TOKEN", site.api.token())
        .env("HOME", site.folder.path())
        .stdin(Stdio::null());
    command
}

pub(crate) fn done(site: &Site, arguments: &[&str]) -> Output {
    runner(site, arguments).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone())
        .unwrap()
        .trim_end()
        .to_owned()
}

/// An image of the project `p`.
pub(crate) fn image(site: &Site) -> String {
    let project = site.api.get("/v0/projects/p");
    let digest = format!("sha256:{}", "ab".repeat(32));
    format!(
        "127.0.0.1:5000/{}@{digest}",
        project["id"].as_str().unwrap()
    )
}

/// Plays a runner that ends its next job so, and gives the job.
pub(crate) fn play(connection: &mut Runner, event: &str, results: &Value) -> Value {
    let job = connection.claim();
    connection.say("running");
    complete(connection, &job, event, results);
    job
}

/// Plays the end of a job.
fn complete(connection: &mut Runner, job: &Value, event: &str, results: &Value) {
    connection.send(&json!({"event": event, "job": job["uuid"], "results": results, "error": "e"}));
    assert_eq!(connection.receive()["event"], "ack");
}

#[test]
fn a_job_comes_back_as_if_it_had_run_here() {
    let site = site();
    let mut connection = site.connected("r");
    let image = image(&site);
    let mut waiting = runner(
        &site,
        &[
            "submit",
            &image,
            "--spec",
            "s",
            "--wait",
            "--iter",
            "2",
            "--env",
            "A=b=c",
            "--output",
            "/f",
            "--timeout",
            "2m",
            "--build-time",
            "--",
            "bench",
            "--fast",
        ],
    )
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let results = json!([
        {"exit_code": 0, "stdout": "one\n", "stderr": "err one\n"},
        {"exit_code": 7, "stdout": "two\u{1b}[0m", "stderr": ""},
    ]);
    let job = connection.claim();
    connection.say("running");
    // It ends only once it was seen to run: states that follow each other at once are told as one.
    let mut told = BufReader::new(waiting.stderr.take().unwrap());
    let mut stderr = String::new();
    while !stderr.contains("the job is running") {
        assert_ne!(told.read_line(&mut stderr).unwrap(), 0, "{stderr}");
    }
    complete(&mut connection, &job, "completed", &results);
    told.read_to_string(&mut stderr).unwrap();
    let output = waiting.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "one\ntwo\u{1b}[0m");
    assert!(stderr.contains("err one\n"), "{stderr}");
    let config = &job["config"];
    assert_eq!(config["registry"], "http://127.0.0.1:5000");
    assert_eq!(config["cmd"], json!(["bench", "--fast"]));
    assert_eq!(config["env"], json!({"A": "b=c"}));
    assert_eq!(config["file_paths"], json!(["/f"]));
    assert_eq!(
        (&config["iter"], &config["build_time"]),
        (&json!(2), &json!(true))
    );
    assert_eq!(job["timeout"], 120);
    // The same once more, after the end.
    let id = job["uuid"].as_str().unwrap();
    let again = done(&site, &["jobs", "logs", id, "--quiet"]);
    assert_eq!(again.status.code(), Some(7));
    assert_eq!(
        (again.stdout, String::from_utf8_lossy(&again.stderr)),
        (output.stdout, "err one\n".into())
    );
}

#[test]
fn exit_codes_are_those_of_a_run() {
    let site = site();
    let mut connection = site.connected("r");
    let image = image(&site);
    for (event, results, code) in [
        ("completed", json!([{"exit_code": 0, "stdout": "x"}]), 0),
        ("failed", json!([{"exit_code": 9}]), 9),
        ("failed", json!([]), 125),
    ] {
        let submitted = stdout(&done(&site, &["submit", &image, "--spec", "s"]));
        let job = play(&mut connection, event, &results);
        assert_eq!(job["uuid"], submitted.as_str());
        let output = done(&site, &["jobs", "logs", &submitted]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
    let pending = stdout(&done(&site, &["submit", &image, "--spec", "s"]));
    assert_eq!(
        stdout(&done(&site, &["jobs", "cancel", &pending])),
        "canceled"
    );
    let output = done(&site, &["jobs", "logs", &pending]);
    assert_eq!(output.status.code(), Some(130), "{output:?}");
}

#[test]
fn three_commands_make_a_fleet() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::with(&["--first-runner", "local"]);
    let server = Server::start(folder.path(), &setup);
    assert_eq!(server.token, None, "it is in a file");
    let token = folder.path().join("admin.token");
    let key = folder.path().join("local.key");
    for path in [&token, &key] {
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    let read = |path: &Path| std::fs::read_to_string(path).unwrap().trim_end().to_owned();
    let (secret, key) = (read(&token), read(&key));
    let api = Api::new(&server.url, &secret);
    let project = api.get("/v0/projects/first")["id"].clone();
    let image = format!(
        "127.0.0.1:5000/{}@sha256:{}",
        project.as_str().unwrap(),
        "ab".repeat(32)
    );
    let submitted = Command::new(&*RUNNER)
        .args([
            "submit",
            &image,
            "--spec",
            "first",
            "--host",
            &server.url,
            "--token-file",
        ])
        .arg(&token)
        .output()
        .unwrap();
    let mut connection = Runner::connect(&server.url, "local", &key).unwrap();
    assert_eq!(connection.claim()["uuid"], stdout(&submitted).as_str());
    // A second start changes nothing.
    drop(connection);
    assert!(server.stop());
    let again = Server::start(folder.path(), &setup);
    assert_eq!((again.token.clone(), read(&token)), (None, secret));
    assert!(again.stop());
    let own = folder.path().join("secrets.key");
    let secrets = read(&own);
    for (name, reason) in [
        ("../x", "is no name for a runner"),
        // Its file is the server's own.
        ("secrets", "take another name"),
    ] {
        let wrong = Command::new(env!("CARGO_BIN_EXE_bencher-server"))
            .args(["serve", "--listen", "127.0.0.1:0", "--first-runner", name])
            .arg("--data-dir")
            .arg(folder.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&wrong.stderr);
        assert!(stderr.contains(reason), "{stderr}");
    }
    assert_eq!(read(&own), secrets);
}

#[test]
fn who_stops_waiting_is_told_how_to_go_on() {
    let site = site();
    let image = image(&site);
    let mut waiting = runner(&site, &["submit", &image, "--spec", "s", "--wait"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(waiting.stderr.take().unwrap()).lines();
    let mut line = || lines.next().expect("a line").unwrap();
    while !line().contains("the job is pending") {}
    kill(
        Pid::from_raw(waiting.id().try_into().unwrap()),
        Signal::SIGINT,
    )
    .unwrap();
    let hint = loop {
        let line = line();
        if !line.contains("the job waits") {
            break line;
        }
    };
    assert_eq!(waiting.wait().unwrap().code(), Some(130));
    let jobs = site.api.get("/v0/jobs");
    let job = &jobs["items"][0];
    assert_eq!(job["state"], "pending", "the job goes on");
    let id = job["id"].as_str().unwrap();
    for part in ["jobs logs", "jobs cancel"] {
        assert!(
            hint.contains(&format!("`runner {part} {id} --host http")),
            "{hint}"
        );
    }
}

#[test]
fn a_wait_outlives_its_server() {
    let mut site = site();
    let image = image(&site);
    let key = site.new_runner("r");
    let address = site
        .server()
        .url
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    let mut waiting = runner(&site, &["submit", &image, "--spec", "s", "--wait"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(waiting.stderr.take().unwrap()).lines();
    let mut line = || lines.next().expect("a line").unwrap();
    while !line().contains("the job is pending") {}
    site.kill();
    while !line().contains("trying again") {}
    site.setup.listen = Some(address);
    site.start_again();
    let mut connection = Runner::connect(&site.server().url, "r", &key).unwrap();
    play(
        &mut connection,
        "completed",
        &json!([{"exit_code": 0, "stdout": "out"}]),
    );
    while lines.next().is_some() {}
    let output = waiting.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"out");
}

#[test]
fn jobs_are_listed_and_shown() {
    let site = site();
    let ids: Vec<_> = (0..3).map(|_| site.submit()).collect();
    let table = stdout(&done(&site, &["jobs", "ls", "--limit", "2"]));
    assert!(table.starts_with("JOB "), "{table}");
    let titles: Vec<_> = table.lines().next().unwrap().split_whitespace().collect();
    let expected = ["JOB", "STATE", "PROJECT", "SPEC", "RUNNER", "AGE", "TOOK"];
    assert_eq!(titles, expected);
    for line in table.lines().skip(1) {
        let cells: Vec<_> = line.split_whitespace().collect();
        assert_eq!(cells[1..4], ["pending", "p", "s"], "{line}");
        assert!(line.chars().count() <= 100, "{line}");
    }
    assert!(table.contains(&ids[2]) && table.contains(&ids[1]) && !table.contains(&ids[0]));
    let listed = stdout(&done(
        &site,
        &["jobs", "ls", "--json", "--state", "pending"],
    ));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 3);
    let shown = stdout(&done(&site, &["jobs", "show", &ids[0]]));
    assert!(shown.contains("state        pending"), "{shown}");
    let shown = stdout(&done(&site, &["jobs", "show", "--json", &ids[0]]));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown, site.api.job(&ids[0]));
    let mut connection = site.connected("lab");
    let job = play(&mut connection, "completed", &json!([{"exit_code": 0}]));
    let id = job["uuid"].as_str().unwrap();
    let shown = stdout(&done(&site, &["jobs", "show", id]));
    for line in [
        "project      p\n",
        "spec         s\n",
        "runner       lab\n",
        "took         ",
    ] {
        assert!(shown.contains(line), "{line} is not in {shown}");
    }
    let table = stdout(&done(&site, &["jobs", "ls", "--runner", "lab"]));
    assert!(table.contains("  lab  "), "{table}");
}

/// Other users of the client's host see command lines.
#[test]
fn a_secret_need_not_be_on_the_command_line() {
    let site = site();
    let image = image(&site);
    let submit = [
        "submit",
        &image,
        "--spec",
        "s",
        "--env",
        "FROM_HERE",
        "--env",
        "A=b=c",
    ];
    let id = stdout(
        &runner(&site, &submit)
            .env("FROM_HERE", "s3cret")
            .output()
            .unwrap(),
    );
    let env = json!({"FROM_HERE": "s3cret", "A": "b=c"});
    assert_eq!(site.api.job(&id)["config"]["env"], env);
    let unset = runner(&site, &submit)
        .env_remove("FROM_HERE")
        .output()
        .unwrap();
    assert_eq!(unset.status.code(), Some(125));
    let said = String::from_utf8(unset.stderr).unwrap();
    assert!(said.contains("a variable that is set here"), "{said}");
}

#[test]
fn how_a_job_was_measured_is_told() {
    let site = site();
    let mut runner = site.connected("r");
    let id = site.submit();
    let job = evidence::claim(&mut runner);
    let others = "others took 5 %";
    let (completed, document) = (json!({"event": "completed"}), evidence::evidence(others));
    evidence::end(&mut runner, completed, &job, &document);
    site.api.wait_for(&id, &["processed"]);
    let logs = done(&site, &["jobs", "logs", &id]);
    assert!(logs.status.success(), "{logs:?}");
    let said = String::from_utf8(logs.stderr).unwrap();
    for part in [
        "wall: 3.000 ms (median of 2; 2.000 ms to 4.000 ms)",
        "1 iteration is suspect: others took 5 %",
        "the times can not be compared with those of other machines: others took 5 %",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let shown = stdout(&done(&site, &["jobs", "show", &id]));
    for part in [
        "machine      a microVM of QEMU, emulated\n",
        "host         others took 5 %\n",
        "memory       3.000 MiB",
        "trust        ",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    let printed = stdout(&done(&site, &["jobs", "evidence", &id]));
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed, document);
    let other = site.submit();
    let none = done(&site, &["jobs", "evidence", &other]);
    assert_eq!(none.status.code(), Some(125));
}

#[test]
fn more_jobs_are_listed_than_the_server_gives_at_once() {
    LazyLock::force(&RUNNER);
    // On a fast machine that many requests come too often.
    let site = Site::with(Setup::with(&["--rate-limit", "10000"]));
    let jobs: Vec<_> = (0..205).map(|_| site.submit()).collect();
    let list = |limit: &str| {
        let listed = done(&site, &["jobs", "ls", "--json", "--limit", limit]);
        let listed: Value = serde_json::from_str(&stdout(&listed)).unwrap();
        let ids = listed.as_array().unwrap().iter();
        ids.map(|job| job["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let newest_first: Vec<_> = jobs.into_iter().rev().collect();
    assert_eq!(list("1000"), newest_first);
    assert_eq!(list("203"), newest_first[..203]);
}

#[test]
fn what_can_not_be_is_said_and_no_token_is_shown() {
    let site = site();
    let image = image(&site);
    let digest = image.split_once('@').unwrap().1;
    let elsewhere = format!("127.0.0.1:5000/other@{digest}");
    let in_folder = format!("127.0.0.1:5000/a/b/other@{digest}");
    // As no runner writes it.
    let short = image.replace('-', "");
    for (arguments, part) in [
        (
            vec!["submit", &image, "--spec", "none"],
            "there is no spec `none`",
        ),
        (
            vec!["submit", &elsewhere, "--spec", "s"],
            "name the project with --project",
        ),
        (
            vec!["submit", &short, "--spec", "s"],
            "does not end in a project's identifier",
        ),
        (
            vec!["submit", &elsewhere, "--spec", "s", "--project", "p"],
            "docker push 127.0.0.1:5000/",
        ),
        (
            vec!["submit", &in_folder, "--spec", "s", "--project", "p"],
            "docker push 127.0.0.1:5000/a/b/",
        ),
        (
            vec!["submit", &elsewhere, "--spec", "s", "--project", "q"],
            "no project `q`",
        ),
        (
            vec!["submit", "./bench.tar", "--spec", "s"],
            "in a registry",
        ),
        (vec!["jobs", "show", "../tokens"], "there is no job"),
        (
            vec!["jobs", "ls", "--state", "lost"],
            "`state` must be one of",
        ),
        (
            vec!["jobs", "ls", "--host", "http://127.0.0.1:1"],
            "is the server up",
        ),
        (
            vec!["jobs", "ls", "--host", "ftp://a"],
            "is not the address of a server",
        ),
        (
            vec!["jobs", "ls", "--token-file", "/nonexistent"],
            "failed to read the token",
        ),
    ] {
        let output = done(&site, &arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{arguments:?}: {stderr}");
        assert!(stderr.contains(part), "{arguments:?}: {stderr}");
        assert!(!stderr.contains(site.api.token()), "{stderr}");
    }
    let mut without = runner(&site, &["jobs", "ls"]);
    let output = without.env_remove("BENCHER_TOKEN").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no token"));
    let file = site.path("token");
    std::fs::write(&file, format!("{}\n", site.api.token())).unwrap();
    let output = without.env("BENCHER_TOKEN_FILE", &file).output().unwrap();
    stdout(&output);
    let output = without
        .env_remove("BENCHER_TOKEN_FILE")
        .env("BENCHER_TOKEN", "wrong")
        .output();
    assert!(String::from_utf8_lossy(&output.unwrap().stderr).contains("not known, or revoked"));
}
