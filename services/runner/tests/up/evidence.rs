//! How a job was measured, for a server that asks.

use std::path::Path;

use bencher_channel_protocol::{RunnerMessage, Terminal};
use bencher_runner::result::{EndedBy, Iterations, ResultDocument, parse};
use serde_json::{Value, json};

use crate::bench::{Bench, script_of};
use crate::server::Channel;

/// The document that comes with the end of a job, and its text.
fn of(terminal: Terminal) -> (ResultDocument<Iterations>, String) {
    let (Terminal::Completed { evidence, .. } | Terminal::Failed { evidence, .. }) = terminal
    else {
        panic!("it was not canceled");
    };
    let text = evidence.expect("it was asked for").into_text();
    let document = parse(Path::new("evidence"), text.as_bytes()).expect("a result document");
    (document, text)
}

fn asked(bench: &Bench, number: u8, mut config: Value) -> String {
    config["iter"] = json!(2);
    config["env"] = json!({"SECRET": "s3cret"});
    let mut job = bench.job(number, &config);
    job["evidence"] = json!(true);
    job.to_string()
}

fn end(channel: &mut Channel, job: &str) -> Terminal {
    channel.say(job);
    let terminal = channel.end();
    channel.is_ready();
    terminal
}

#[test]
fn a_server_that_asks_gets_the_result_document() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    let mut channel = bench.server.accept();
    match channel.next() {
        Some(RunnerMessage::Ready(ready)) => assert!(ready.evidence),
        other => panic!("{other:?}"),
    }
    let script = script_of("printf %s-%s hidden word");
    let (document, text) = of(end(&mut channel, &asked(&bench, 1, script)));
    let iterations = &document.iterations.0;
    assert_eq!(iterations.len(), 2);
    for iteration in iterations {
        assert!(iteration.counts());
        assert!(iteration.resources.as_ref().unwrap().wall_ns > 0);
        assert!(iteration.validity.is_some());
        assert_eq!(iteration.stdout.bytes, 11);
    }
    let setup = document.setup.unwrap();
    assert!(setup.command.environment.contains(&"SECRET".to_owned()));
    // On the host's own kernel nothing can be compared with other machines.
    assert!(!document.trust.comparable);
    // It is no way out for what the command wrote, for variables, or for places of this host.
    for hidden in ["hidden-word", "s3cret", &bench.state_folder()] {
        assert!(!text.contains(hidden), "{hidden}: {text}");
    }
    // What failed was measured too.
    let (document, _) = of(end(&mut channel, &asked(&bench, 2, script_of("exit 7"))));
    let iterations = &document.iterations.0;
    assert_eq!((iterations.len(), iterations[0].exit_code), (1, 7));
    assert_eq!(iterations[0].ended_by, EndedBy::Exit);
    up.stops();
}

#[test]
fn who_does_not_ask_and_what_did_not_run_have_none() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    let mut channel = bench.server.ready();
    match end(&mut channel, &bench.script(1, "echo")) {
        Terminal::Completed { evidence, .. } => assert_eq!(evidence, None),
        other => panic!("{other:?}"),
    }
    let mut nothing = bench.job(2, &json!({"entrypoint": ["/no/such/program"]}));
    nothing["spec"]["architecture"] = json!("aarch64");
    nothing["evidence"] = json!(true);
    match end(&mut channel, &nothing.to_string()) {
        Terminal::Failed { evidence, .. } => assert_eq!(evidence, None),
        other => panic!("{other:?}"),
    }
    up.stops();
}

/// What a server has of a job is enough to run the same here.
#[test]
fn what_a_job_was_can_be_run_here() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    let mut channel = bench.server.ready();
    let script = script_of("echo again");
    let (_, text) = of(end(&mut channel, &asked(&bench, 1, script)));
    up.stops();
    let folder = tempfile::tempdir().unwrap();
    let (evidence, now) = (
        folder.path().join("evidence.json"),
        folder.path().join("now.json"),
    );
    std::fs::write(&evidence, text).unwrap();
    let (evidence, now) = (evidence.to_str().unwrap(), now.to_str().unwrap());
    let refused = bench.cache.run(&["reproduce", evidence]).exits(125);
    // A document does not say that this host may run it without a sandbox.
    assert!(
        refused.stderr.contains("-- --sandbox none"),
        "{}",
        refused.stderr
    );
    let more = ["--result", now, "--sandbox", "none"];
    let ran = bench
        .cache
        .run(&[&["reproduce", evidence, "--"], &more[..]].concat());
    assert!(matches!(ran.code, 0 | 1), "{}", ran.stderr);
    let (before, now) = (parse_file(evidence), parse_file(now));
    let command = |document: &ResultDocument<Iterations>| {
        let setup = document.setup.clone().unwrap();
        (setup.image.config_digest, setup.command.arguments)
    };
    assert_eq!(command(&now), command(&before));
    assert_eq!(now.iterations.0.len(), 2);
}

fn parse_file(path: &str) -> ResultDocument<Iterations> {
    parse(Path::new(path), &std::fs::read(path).unwrap()).expect("a result document")
}
