//! The job's CPUs are its own: what the runner does meanwhile, such as heartbeats, is done on others.

use std::collections::BTreeMap;
use std::fs;

use bencher_channel_protocol::RunnerMessage;
use bencher_runner::cpus::CpuSet;

use crate::bench::Bench;
use crate::support::{processes_with, skip};

/// Where a thread is: the CPUs that it may have, the one that it had last, and how often it was put on one.
#[derive(Debug)]
struct Place {
    allowed: CpuSet,
    last: u32,
    turns: u64,
}

impl Place {
    fn of(folder: &str) -> Option<Self> {
        let read = |name: &str| fs::read_to_string(format!("{folder}/{name}"));
        let status = read("status").ok()?;
        let field = |name: &str| {
            let found = status.lines().find_map(|line| line.strip_prefix(name));
            found.expect("it is in every status").trim().to_owned()
        };
        let count = |name| field(name).parse::<u64>().unwrap();
        let stat = read("stat").ok()?;
        // proc_pid_stat(5): `processor` is the 39th, the second one is in parentheses.
        let (_, after_name) = stat.rsplit_once(')').unwrap();
        let last = after_name.split_whitespace().nth(36).unwrap();
        Some(Self {
            allowed: field("Cpus_allowed_list:").parse().unwrap(),
            last: last.parse().unwrap(),
            turns: count("voluntary_ctxt_switches:") + count("nonvoluntary_ctxt_switches:"),
        })
    }
}

/// The threads of a process, by their ids.
fn threads(process: u32) -> BTreeMap<String, Place> {
    let folder = format!("/proc/{process}/task");
    let tasks = fs::read_dir(&folder).unwrap();
    tasks
        .filter_map(|task| {
            let id = task.unwrap().file_name().into_string().unwrap();
            // One that has ended meanwhile is nowhere.
            let place = Place::of(&format!("{folder}/{id}"))?;
            Some((id, place))
        })
        .collect()
}

#[test]
fn heartbeats_come_from_cpus_that_the_job_has_not() {
    let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    let online: CpuSet = online.parse().unwrap();
    if skip((online.len() < 2).then_some("one CPU on this machine")) {
        return;
    }
    let Some(bench) = Bench::new() else {
        return;
    };
    let own = online.iter().last().unwrap().to_string();
    let up = bench.start(&["--cpus", &own]);
    let mut channel = bench.server.running(&bench.script(1, "exec sleep 716253"));
    while processes_with("716253").is_empty() {
        std::thread::yield_now();
    }
    let job = processes_with("716253")[0];
    let of_job = Place::of(&format!("/proc/{job}")).unwrap().allowed;
    assert_eq!(of_job.to_string(), own);
    let before = threads(up.id());
    for _ in 0..3 {
        assert_eq!(channel.next(), Some(RunnerMessage::Heartbeat));
        channel.acknowledge(None);
    }
    let after = threads(up.id());
    for (id, place) in &after {
        let is_apart = place.allowed.and(&of_job).is_empty();
        assert!(is_apart, "{id}: {place:?}, and the job on {of_job}");
    }
    // Who was at work meanwhile has sent them.
    let is_at_work = |(id, place): &(&String, &Place)| {
        let turns = before.get(*id).map_or(0, |before| before.turns);
        place.turns > turns
    };
    let senders: Vec<_> = after.iter().filter(is_at_work).collect();
    assert!(!senders.is_empty(), "{before:?}\n{after:?}");
    for (id, place) in senders {
        assert!(!of_job.contains(place.last), "{id}: {place:?}");
    }
    channel.say(r#"{"event":"cancel"}"#);
    channel.end();
    channel.is_ready();
    up.stops();
}
