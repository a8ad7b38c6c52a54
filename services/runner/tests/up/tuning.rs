//! The host's tuning, which is in force while a job runs, and no longer.

use crate::bench::Bench;
use crate::support::TunableHost;

const SWAPPINESS: &str = "/proc/sys/vm/swappiness";

#[test]
fn a_job_finds_the_host_tuned_and_the_host_is_put_back() {
    TunableHost::with(|host| {
        let Some(bench) = Bench::new() else {
            return;
        };
        let mut command = bench.command(&[]);
        let up = bench.spawn(command.env_remove("BENCHER_RUNNER_NO_TUNING"));
        let mut channel = bench.server.ready();
        host.is_as_before();
        channel.say(&bench.script(1, "exec sleep 1000"));
        channel.is_running();
        assert_eq!(host.read(SWAPPINESS), "10");
        channel.say(r#"{"event":"cancel"}"#);
        channel.end();
        channel.is_ready();
        host.is_as_before();
        up.stops();
    });
}

#[test]
fn what_a_killed_runner_left_is_put_back_at_the_next_start() {
    TunableHost::with(|host| {
        let Some(bench) = Bench::new() else {
            return;
        };
        let start = || {
            let mut command = bench.command(&[]);
            bench.spawn(command.env_remove("BENCHER_RUNNER_NO_TUNING"))
        };
        let up = start();
        let channel = bench.server.running(&bench.script(1, "exec sleep 1000"));
        assert_eq!(host.read(SWAPPINESS), "10");
        up.crash();
        drop(channel);
        assert_eq!(host.read(SWAPPINESS), "10");
        let up = start();
        let mut channel = bench.server.accept();
        host.is_as_before();
        channel.end();
        channel.is_ready();
        up.stops();
    });
}
