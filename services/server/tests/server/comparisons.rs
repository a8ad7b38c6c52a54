//! `runner comparisons`, the real program, against the real server.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::client::{image, runner, site};
use crate::support::*;

/// How often each side is run.
const ROUNDS: u32 = 4;

fn done(site: &Site, arguments: &[&str]) -> Output {
    runner(site, &[&["comparisons"], arguments].concat())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What it prints, once as it should end well.
fn stdout(site: &Site, arguments: &[&str]) -> String {
    let output = done(site, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    text(&output.stdout)
}

/// Submits two commands of one image, with more options, and gives the comparison's identifier.
fn submit(site: &Site, more: &[&str]) -> String {
    let image = image(site);
    let rounds = ROUNDS.to_string();
    let common = [
        "submit", "--image", &image, "--spec", "s", "--iter", &rounds,
    ];
    let commands = ["--", "old", "--vs", "new"];
    let arguments = [&common[..], more, &commands].concat();
    stdout(site, &arguments).trim_end().to_owned()
}

/// The same, and waits.
fn wait(site: &Site, more: &[&str]) -> Child {
    let image = image(site);
    let rounds = ROUNDS.to_string();
    let common = [
        "comparisons",
        "submit",
        "--image",
        &image,
        "--spec",
        "s",
        "--iter",
        &rounds,
        "--wait",
    ];
    let commands = ["--", "old", "--vs", "new"];
    runner(site, &[&common[..], more, &commands].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Plays a runner on which `old` takes about 100 ns, and `new` about so much.
fn play(connection: &mut Runner, new: f64) {
    for turn in 0..2 * ROUNDS {
        let job = connection.claim();
        connection.say("running");
        let noise = [0.0, 0.2, -0.1, 0.13, 0.07, -0.16, 0.11, -0.05][turn as usize];
        let value = match job["config"]["cmd"][0].as_str().unwrap() {
            "old" => 100.0 + noise,
            _ => new + noise,
        };
        let results = json!([{"exit_code": 0, "stdout": format!("sort {value} ns\n")}]);
        complete(connection, &job, &results);
    }
}

fn complete(connection: &mut Runner, job: &Value, results: &Value) {
    connection.send(&json!({"event": "completed", "job": job["uuid"], "results": results}));
    assert_eq!(connection.receive()["event"], "ack");
}

#[test]
fn what_is_slower_is_reported_and_fails_a_gate() {
    let site = site();
    let mut connection = site.connected("r");
    let waiting = wait(&site, &["--fail-if-slower", "5"]);
    play(&mut connection, 120.0);
    let output = waiting.wait_with_output().unwrap();
    let (report, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{report} {said}");
    for part in [
        "A  old, 4 iterations",
        "B  new, 4 iterations",
        "measured in turns;",
        "sort/latency",
        "slower",
        "of its host and its machine nothing is known",
    ] {
        assert!(report.contains(part), "{part} is not in {report}");
    }
    let id = said.split_once("submitted the comparison ").unwrap().1;
    let (id, rest) = id.split_once(' ').unwrap();
    assert!(rest.starts_with("of 8 jobs\n"), "{said}");
    for part in ["A 1 of 4: the job is ", "B 4 of 4: the job is "] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    // The same once more, with less asked of it, and in other forms.
    assert_eq!(done(&site, &["report", id]).status.code(), Some(0));
    assert_eq!(
        done(&site, &["report", id, "--fail-if-slower", "30"])
            .status
            .code(),
        Some(0)
    );
    let (page, document) = (site.path("page.html"), site.path("document.json"));
    let output = done(
        &site,
        &[
            "report",
            id,
            "--format",
            "json",
            "--fail-if-slower",
            "5",
            "--result",
            document.to_str().unwrap(),
            "--report",
            page.to_str().unwrap(),
        ],
    );
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["gate"]["failed"], json!(["sort/latency"]));
    assert_eq!(
        found["design"]["orders"],
        json!(["baseline", "candidate", "baseline", "candidate"])
    );
    assert_eq!(std::fs::read(document).unwrap(), output.stdout);
    assert!(
        std::fs::read_to_string(page)
            .unwrap()
            .contains("sort/latency")
    );
    let output = done(&site, &["report", id, "--adapter", "hyperfine"]);
    assert_eq!(output.status.code(), Some(125));
    assert!(
        text(&output.stderr).contains("there are no metrics in iteration 1"),
        "{output:?}"
    );
    let table = stdout(&site, &["ls"]);
    let line = table.lines().nth(1).unwrap();
    let cells: Vec<_> = line.split_whitespace().collect();
    assert_eq!(cells[..6], [id, "ended", "8/8", "p", "s", "r"], "{table}");
    assert_eq!(stdout(&site, &["rm", id]).trim_end(), id);
    assert_eq!(stdout(&site, &["ls", "--json"]), "[]\n");
}

/// Where the runner says how it measured, nothing has to be printed by the commands.
#[test]
fn what_runners_measured_is_compared_too() {
    let site = site();
    let mut connection = site.connected("r");
    let waiting = wait(&site, &["--metric", "wall", "--fail-if-slower", "5"]);
    for turn in 0..2 * u64::from(ROUNDS) {
        connection.send(&json!({"event": "ready", "poll_timeout": 60, "evidence": true}));
        let job = connection.receive();
        connection.say("running");
        let longer = match job["config"]["cmd"][0].as_str().unwrap() {
            "old" => 0,
            _ => 2_000_000,
        };
        let mut document: Value = serde_json::from_str(include_str!(
            "../../../../crates/bencher_runner/tests/data/result-1.json"
        ))
        .unwrap();
        let mut iteration = document["iterations"][0].clone();
        iteration["resources"]["wall_ns"] = json!(10_000_000 + longer + turn * 1000);
        document["iterations"] = json!([iteration]);
        document["trust"]["suspect_iterations"] = json!(1);
        connection.send(&json!({
            "event": "completed", "job": job["uuid"], "results": [{"exit_code": 0}],
            "evidence": document,
        }));
        assert_eq!(connection.receive()["event"], "ack");
    }
    let output = waiting.wait_with_output().unwrap();
    let (report, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{report} {said}");
    for part in ["wall", "slower", "A and B: suspect iterations: 4"] {
        assert!(report.contains(part), "{part} is not in {report}");
    }
    assert!(!report.contains("nothing is known"), "{report}");
}

#[test]
fn what_is_not_slower_passes_a_gate() {
    let site = site();
    let mut connection = site.connected("r");
    let waiting = wait(&site, &["--fail-if-slower", "5", "--format", "csv"]);
    play(&mut connection, 100.0);
    let output = waiting.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains("sort/latency,"), "{output:?}");
}

#[test]
fn what_has_ended_can_not_be_stopped_any_more() {
    let site = site();
    let mut connection = site.connected("r");
    let id = submit(&site, &[]);
    play(&mut connection, 100.0);
    assert_eq!(stdout(&site, &["cancel", &id]), "ended\n");
}

#[test]
fn what_failed_is_left_out_and_told() {
    let site = site();
    let mut connection = site.connected("r");
    let id = submit(&site, &[]);
    for turn in 0..2 * ROUNDS {
        let job = connection.claim();
        connection.say("running");
        let code = if turn == 3 { 7 } else { 0 };
        let results = json!([{"exit_code": code, "stdout": format!("sort {} ns\n", 100 + turn)}]);
        complete(&mut connection, &job, &results);
    }
    let output = done(&site, &["report", &id, "--fail-if-slower", "50"]);
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    let (report, said) = (text(&output.stdout), text(&output.stderr));
    assert!(report.contains("A  old, 3 iterations"), "{report}");
    assert!(report.contains("incomplete: "), "{report}");
    assert!(
        said.contains("has a command that failed with exit code 7"),
        "{said}"
    );
    assert!(said.contains("`runner jobs logs "), "{said}");
}

#[test]
fn where_nothing_was_measured_it_is_said_what_to_do() {
    let site = site();
    let mut connection = site.connected("r");
    let id = submit(&site, &[]);
    for _ in 0..2 * ROUNDS {
        let job = connection.claim();
        connection.say("running");
        complete(
            &mut connection,
            &job,
            &json!([{"exit_code": 0, "stdout": "hello"}]),
        );
    }
    let output = done(&site, &["report", &id]);
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    assert!(
        text(&output.stderr).contains("submit with --build-time"),
        "{output:?}"
    );
}

#[test]
fn a_comparison_is_shown_and_stopped() {
    let site = site();
    let mut connection = site.connected("r");
    let id = submit(&site, &["--env", "A=secret"]);
    let shown = stdout(&site, &["show", &id]);
    for line in [
        "state        pending\n",
        ": old; 4 pending\n",
        ": new; 4 pending\n",
        "waits        no job is ahead\n",
        "project      p\n",
        "spec         s\n",
    ] {
        assert!(shown.contains(line), "{line} is not in {shown}");
    }
    assert!(!shown.contains("secret"), "{shown}");
    let job = connection.claim();
    connection.say("running");
    let shown = stdout(&site, &["show", &id, "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown, site.api.get(&format!("/v0/comparisons/{id}")));
    assert_eq!(
        shown["sides"][0]["jobs"],
        json!({"pending": 3, "running": 1})
    );
    assert_eq!(shown["runner_slug"], "r");
    let refused = done(&site, &["rm", &id]);
    assert_eq!(refused.status.code(), Some(125));
    assert!(
        text(&refused.stderr).contains("cancel them first"),
        "{refused:?}"
    );
    assert_eq!(stdout(&site, &["cancel", &id]), "canceled\n");
    assert_eq!(
        site.api.job(job["uuid"].as_str().unwrap())["state"],
        "canceled"
    );
    let shown = stdout(&site, &["show", &id]);
    assert!(shown.contains("state        canceled\n"), "{shown}");
    let output = done(&site, &["report", &id]);
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(text(&output.stderr).contains("was canceled"), "{output:?}");
    assert_eq!(stdout(&site, &["rm", &id, "--quiet"]).trim_end(), id);
}

#[test]
fn who_stops_waiting_for_a_comparison_is_told_how_to_go_on() {
    let site = site();
    let mut waiting = wait(&site, &[]);
    let mut told = BufReader::new(waiting.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("A 1 of 4: the job waits") {
        assert_ne!(told.read_line(&mut said).unwrap(), 0, "{said}");
    }
    let pid = Pid::from_raw(waiting.id().try_into().unwrap());
    kill(pid, Signal::SIGINT).unwrap();
    told.read_to_string(&mut said).unwrap();
    assert_eq!(waiting.wait().unwrap().code(), Some(130));
    let listed = site.api.get("/v0/comparisons");
    let id = listed["items"][0]["id"].as_str().unwrap();
    for part in ["report", "cancel"] {
        let hint = format!("`runner comparisons {part} {id} --host http");
        assert!(said.contains(&hint), "{said}");
    }
    assert_eq!(
        listed["items"][0]["sides"][1]["jobs"],
        json!({"pending": 4})
    );
}

#[test]
fn what_is_no_comparison_is_refused_with_what_to_do() {
    let site = site();
    let image = image(&site);
    let other = site.api.post("/v0/projects", &json!({"slug": "q"}));
    let digest = image.split_once('@').unwrap().1;
    let foreign = format!("127.0.0.1:5000/{}@{digest}", other["id"].as_str().unwrap());
    let nowhere = "01a22910-5555-7000-8000-00000000000a";
    for (arguments, part) in [
        (
            vec!["submit", &image, &image, "--spec", "none"],
            "there is no spec `none`",
        ),
        (
            vec!["submit", &image, "./b.tar", "--spec", "s"],
            "in a registry",
        ),
        (
            vec!["submit", &image, &foreign, "--spec", "s"],
            "both sides must be of one project",
        ),
        (
            vec!["submit", "--image", &image, "--spec", "s", "--", "only"],
            "give two, with --vs between them",
        ),
        (
            vec![
                "submit",
                &image,
                &image,
                "--spec",
                "s",
                "--fail-if-slower",
                "3",
            ],
            "give --wait, or leave it for `runner comparisons report`",
        ),
        (
            vec!["submit", &image, &image, "--spec", "s", "--iter", "200"],
            "ask for fewer rounds",
        ),
        (vec!["show", nowhere], "there is no comparison"),
        (vec!["report", "../tokens"], "there is no comparison"),
        (vec!["cancel", nowhere], "there is no comparison"),
        (vec!["rm", "x"], "there is no comparison `x`"),
    ] {
        let output = done(&site, &arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
    let three = json!({
        "project": "p", "spec": "s", "rounds": 1, "sides": [config(), config(), config()],
    });
    let three = site.api.post("/v0/comparisons", &three);
    let output = done(&site, &["report", three["comparison"].as_str().unwrap()]);
    assert!(text(&output.stderr).contains("has 3 sides"), "{output:?}");
    // Tokens of another project do not see it.
    let body = json!({"name": "q", "role": "viewer", "project": "q"});
    let token = site.api.post("/v0/tokens", &body)["secret"].clone();
    let stranger = site.api.with_token(token.as_str().unwrap());
    assert_eq!(stranger.get("/v0/comparisons")["items"], json!([]));
    let path = format!("/v0/comparisons/{}", three["comparison"].as_str().unwrap());
    assert_eq!(stranger.refused("GET", &path, &json!(null)).0, 404);
}

#[test]
fn nothing_that_a_hostile_server_says_of_a_comparison_steers_a_terminal() {
    let site = site();
    let evil = "\u{1b}[2J\u{202e}";
    let id = "01a22910-5555-7000-8000-00000000000a";
    let comparison = json!({
        "id": evil, "project": evil, "spec": evil, "created": evil,
        "sides": [{"jobs": {evil: 1}}, {"jobs": {"completed": 1}}],
    });
    let job = |side: u32| {
        json!({
            "id": evil, "project": "p", "spec": "s", "state": "failed", "reason": evil, "error": evil,
            "priority": 0, "timeout": 1, "config": {"image": evil, "cmd": [evil]}, "created": evil,
            "comparison": {"comparison": id, "side": side, "position": side},
        })
    };
    let jobs = json!({"items": [job(0), job(1)]});
    let spec = json!({
        "id": evil, "slug": evil, "name": evil, "os": evil, "architecture": evil, "sandbox": evil, "cpu": 1,
        "memory": 1, "disk": 1, "network": false, "created": evil, "modified": evil,
    });
    let results = json!([{"exit_code": 0, "stdout": format!("{evil} 1 ns\n")}]);
    for arguments in [&["ls"][..], &["show", id], &["report", id], &["cancel", id]] {
        let (comparison, jobs) = (comparison.clone(), jobs.clone());
        let (spec, results) = (spec.clone(), results.clone());
        let host = between(&site.server().url, move |request| {
            let answer = if request.contains("/events") {
                json!("no events")
            } else if request.contains("/results") {
                results.clone()
            } else if request.contains("/v0/jobs") {
                jobs.clone()
            } else if request.contains("/v0/specs") {
                spec.clone()
            } else if request.contains("/v0/comparisons?") {
                json!({"items": [comparison]})
            } else {
                comparison.clone()
            };
            Fate::Answered(answer.to_string())
        });
        let mut child = runner(&site, &[&["comparisons"], arguments].concat())
            .env("BENCHER_HOST", host)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // One that waits for events of such a server would try for long: what it says until then is enough.
        let mut said = String::new();
        let mut told = BufReader::new(child.stderr.take().unwrap());
        while told.read_line(&mut said).unwrap() > 0 {
            if said.contains("trying again") {
                child.kill().unwrap();
                break;
            }
        }
        let output = child.wait_with_output().unwrap();
        let shown = said + &text(&output.stdout);
        assert!(!shown.is_empty(), "{arguments:?}");
        let is_harmless = |character: char| character == '\n' || !character.is_control();
        assert!(shown.chars().all(is_harmless), "{arguments:?}: {shown:?}");
        assert!(!shown.contains('\u{202e}'), "{arguments:?}: {shown:?}");
    }
}
