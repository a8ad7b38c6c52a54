//! What the server is told of a job's outputs.

use bencher_channel_protocol::{OutputStream, RESERVED_OUTPUT, RunnerMessage};
use serde_json::{Value, json};

use crate::bench::{Bench, completed, script_of};

#[test]
fn every_iteration_has_its_outputs_and_files() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    let mut channel = bench.server.ready();
    let mut config = script_of("echo $WORD; echo $WORD > /tmp/a; mkdir /tmp/d; echo x > /tmp/d/b");
    config["iter"] = json!(3);
    config["env"] = json!({"WORD": "zwölf"});
    config["file_paths"] = json!(["/tmp/a", "/tmp/d", "/tmp/none"]);
    channel.say(&bench.job(1, &config).to_string());
    let results = completed(channel.end());
    assert_eq!(results.len(), 3);
    for result in results {
        assert_eq!(result.stdout.as_deref(), Some("zwölf\n"));
        let files = result.output.unwrap();
        assert_eq!(files["/tmp/a"], "zwölf\n");
        assert_eq!(files["/tmp/d/b"], "x\n");
        assert_eq!(files.len(), 2);
        let stderr = result.stderr.unwrap();
        assert!(
            stderr.contains("did not find the output /tmp/none"),
            "{stderr}"
        );
    }
    channel.is_ready();
    up.stops();
}

#[test]
fn times_and_sizes_are_metrics() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    let mut channel = bench.server.ready();
    let mut config = script_of("head -c 5000000 /dev/zero > /tmp/big");
    config["build_time"] = json!(true);
    config["file_size"] = json!(true);
    config["file_paths"] = json!(["/tmp/big"]);
    channel.say(&bench.job(1, &config).to_string());
    let results = completed(channel.end());
    let files = results[0].output.as_ref().unwrap();
    assert_eq!(files.len(), 1, "no contents: {:?}", files.keys());
    let metrics: Value = serde_json::from_str(&files[RESERVED_OUTPUT]).unwrap();
    assert_eq!(metrics["big"]["file-size"]["value"], 5_000_000);
    let command = "sh -c head -c 5000000 /dev/zero > /tmp/big";
    let seconds = metrics[command]["build-time"]["value"].as_f64().unwrap();
    assert!((0.0..100.0).contains(&seconds), "{metrics}");
    channel.is_ready();
    up.stops();
}

#[test]
fn long_outputs_are_cut_and_marked() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&["--max-output-size", "64k"]);
    let mut channel = bench.server.ready();
    channel.say(&bench.script(1, "yes | head -c 200000; echo small >&2"));
    let results = completed(channel.end());
    let stdout = results[0].stdout.as_ref().unwrap();
    assert!(stdout.ends_with("\n[the runner cut 134464 bytes here]\n"));
    assert_eq!(results[0].stderr.as_deref(), Some("small\n"));
    channel.is_ready();
    up.stops();
}

/// What a server does not take resets the connection: it is sent again, shorter.
#[test]
fn a_result_that_resets_the_connection_arrives_shorter() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    let mut channel = bench.server.accept_limited(1 << 20);
    channel.is_ready();
    channel.say(&bench.script(1, "yes | head -c 2000000; echo small >&2"));
    // Until the result comes, which is too long.
    while let Some(message) = channel.next() {
        if !matches!(message, RunnerMessage::Ready(_)) {
            channel.acknowledge(None);
        }
    }
    drop(channel);
    let results = loop {
        let mut channel = bench.server.accept_limited(1 << 20);
        if let Some(message) = channel.next() {
            let terminal = message.into_terminal().unwrap();
            channel.acknowledge(Some(terminal.job()));
            channel.is_ready();
            break completed(terminal);
        }
    };
    let stdout = results[0].stdout.as_ref().unwrap();
    assert!(stdout.contains("[the runner cut "));
    assert!(stdout.len() > 250_000, "{}", stdout.len());
    assert_eq!(results[0].stderr.as_deref(), Some("small\n"));
    up.stops();
}

#[test]
fn output_is_passed_on_while_the_job_runs_if_the_server_wants_it() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    let mut channel = bench.server.ready();
    let mut job = bench.job(1, &script_of("echo now; exec sleep 1000"));
    job["live_output"] = json!(true);
    channel.say(&job.to_string());
    match channel.news() {
        RunnerMessage::Output(output) => {
            assert_eq!((output.iteration, output.stream), (0, OutputStream::Stdout));
            assert_eq!(output.text, "now\n");
        }
        other => panic!("{other:?}"),
    }
    channel.say(r#"{"event":"cancel"}"#);
    channel.end();
    channel.is_ready();
    up.stops();
}
