//! What the server is told of a job's outputs.

use bencher_channel_protocol::{IterationOutput, OutputStream, RESERVED_OUTPUT, RunnerMessage};
use serde_json::{Value, json};

use crate::bench::{Bench, completed, script_of};
use crate::server::Channel;

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
            stderr.contains("did not collect all of the output /tmp/none"),
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

/// The live output of a job until its end, by stream, and its results.
fn live_and_results(channel: &mut Channel) -> ([String; 2], Vec<IterationOutput>) {
    let mut live = <[String; 2]>::default();
    loop {
        match channel.news() {
            RunnerMessage::Output(output) => {
                live[output.stream as usize].push_str(&output.text);
            }
            RunnerMessage::Completed { job, results, .. } => {
                channel.acknowledge(Some(job));
                return (live, results);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// What is written right before the end comes before the end, whatever it is.
#[test]
fn all_output_is_passed_on_before_the_end_of_the_job() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    let mut channel = bench.server.ready();
    let script = "seq 1 20000; printf 'h\\303' >&2; printf 'last\\342\\202'";
    let mut config = script_of(script);
    config["iter"] = json!(2);
    let mut job = bench.job(1, &config);
    job["live_output"] = json!(true);
    channel.say(&job.to_string());
    let (live, results) = live_and_results(&mut channel);
    let whole = |stream: fn(&IterationOutput) -> &Option<String>| -> String {
        results.iter().flat_map(stream).cloned().collect()
    };
    assert!(live[0].ends_with("last\u{fffd}"));
    assert_eq!(live[1], "h\u{fffd}h\u{fffd}");
    assert_eq!(live[0], whole(|result| &result.stdout));
    assert_eq!(live[1], whole(|result| &result.stderr));
    channel.is_ready();
    up.stops();
}

/// Pieces may be lost with a connection, but only then: on the next one the last ones come before the end,
/// and the result has all of them.
#[test]
fn the_last_output_comes_on_a_new_connection() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    let mut channel = bench.server.ready();
    let mut job = bench.job(1, &script_of("echo first; sleep 4; echo last"));
    job["live_output"] = json!(true);
    channel.say(&job.to_string());
    match channel.news() {
        RunnerMessage::Output(output) => assert_eq!(output.text, "first\n"),
        other => panic!("{other:?}"),
    }
    drop(channel);
    let mut channel = bench.server.accept();
    let (live, results) = live_and_results(&mut channel);
    assert_eq!(live[0], "last\n");
    assert_eq!(results[0].stdout.as_deref(), Some("first\nlast\n"));
    channel.is_ready();
    up.stops();
}
