//! What `runner up` bounds and shows of a job, as its command line says.

use serde_json::json;

use crate::bench::{Bench, completed, failed, script_of};
use crate::support::no_vm;

#[test]
fn files_over_the_limit_are_left_out_and_the_job_says_so() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&["--max-file-count", "3"]);
    let mut channel = bench.server.ready();
    let mut config =
        script_of("mkdir /tmp/d; for i in 1 2 3 4 5; do echo $i >/tmp/d/$i; done; echo err >&2");
    config["file_paths"] = json!(["/tmp/d", "/tmp/none"]);
    channel.say(&bench.job(1, &config).to_string());
    let results = completed(channel.end());
    let files = results[0].output.as_ref().unwrap();
    let names: Vec<_> = files.keys().collect();
    assert_eq!(names, ["/tmp/d/1", "/tmp/d/2", "/tmp/d/3"]);
    let stderr = results[0].stderr.as_deref().unwrap();
    let said = "err\n\n[the runner did not collect all of the output /tmp/d: the limit of files is reached, \
                2 left out]\n";
    assert!(stderr.starts_with(said), "{stderr}");
    channel.is_ready();
    // As many as there may be are no reason to say anything.
    let config = config_of_three();
    channel.say(&bench.job(2, &config).to_string());
    let results = completed(channel.end());
    assert_eq!(results[0].output.as_ref().unwrap().len(), 3);
    assert_eq!(results[0].stderr, None);
    channel.is_ready();
    up.stops();
}

fn config_of_three() -> serde_json::Value {
    let mut config = script_of("mkdir /tmp/d; for i in 1 2 3; do echo $i >/tmp/d/$i; done");
    config["file_paths"] = json!(["/tmp/d"]);
    config
}

#[test]
fn each_output_and_each_file_has_the_limit_and_what_is_cut_is_marked() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&["--max-output-size", "64k"]);
    let mut channel = bench.server.ready();
    let script = "yes | head -c 65536; yes | head -c 65537 >&2; yes | head -c 65536 >/tmp/whole; \
                  yes | head -c 200000 >/tmp/cut";
    let mut config = script_of(script);
    config["file_paths"] = json!(["/tmp/whole", "/tmp/cut"]);
    channel.say(&bench.job(1, &config).to_string());
    let results = completed(channel.end());
    let kept = "y\n".repeat(32768);
    let cut = |bytes| format!("{kept}\n[the runner cut {bytes} bytes here]\n");
    // Without what is 64 KiB long in the message of a failure.
    assert!(results[0].stdout.as_ref() == Some(&kept));
    assert!(results[0].stderr.as_ref() == Some(&cut(1)));
    let files = results[0].output.as_ref().unwrap();
    assert!(files["/tmp/whole"] == kept);
    assert!(files["/tmp/cut"] == cut(134_464));
    channel.is_ready();
    up.stops();
}

/// The times lie on either side of what a runner gives that was not told.
#[test]
fn a_command_over_its_time_has_the_grace_period_to_end() {
    let Some(bench) = Bench::new() else {
        return;
    };
    for (grace_period, takes, expected) in [("0.1", 3, "begun\n"), ("60", 7, "begun\nended\n")] {
        let up = bench.start(&["--grace-period", grace_period]);
        let mut channel = bench.server.ready();
        let mut config = script_of(&format!(
            "trap 'sleep {takes}; echo ended; exit 0' TERM; echo begun; while :; do sleep 0.1; done"
        ));
        config["timeout"] = json!(2);
        channel.say(&bench.job(1, &config).to_string());
        let (results, _) = failed(channel.end());
        let stdout = results[0].stdout.as_deref();
        assert_eq!(stdout, Some(expected), "{grace_period}");
        assert_eq!(results[0].exit_code, 124);
        channel.is_ready();
        up.stops();
    }
}

/// Init says at this level what it passes over, and at no higher one.
#[test]
fn lines_of_a_guests_init_are_in_the_log_at_the_level_that_was_asked_for() {
    if no_vm() {
        return;
    }
    let Some(bench) = Bench::new() else {
        return;
    };
    let line = "guest: not collected, it is a symbolic link: /tmp/d/link";
    let mut config = script_of("mkdir /tmp/d; echo x >/tmp/d/file; busybox ln -s file /tmp/d/link");
    config["file_paths"] = json!(["/tmp/d"]);
    for (level, is_shown) in [("info", false), ("debug", true)] {
        let options = ["--sandbox", "qemu", "--sandbox-log-level", level];
        let mut command = bench.command(&options);
        // The one that all tests share has a kernel for guests.
        command.env_remove("BENCHER_RUNNER_CACHE_DIR");
        let up = bench.spawn(&mut command);
        let mut channel = bench.server.ready();
        let mut job = bench.job(1, &config);
        job["spec"]["sandbox"] = json!("firecracker");
        channel.say(&job.to_string());
        let results = completed(channel.end());
        assert_eq!(results[0].output.as_ref().unwrap()["/tmp/d/file"], "x\n");
        // It is the log's alone.
        assert_eq!(results[0].stderr, None);
        channel.is_ready();
        let log = up.stops();
        assert_eq!(log.contains(line), is_shown, "{level}: {log}");
    }
}
