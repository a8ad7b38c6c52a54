//! A fleet of simulated runners and a real server: how long claims take, whether any job is run
//! twice or lost, and what idle runners cost. `cargo bench -p bencher_server --bench fleet`
//! runs it.
//!
//! The runners speak the protocol over loopback, from this process, on the same processors as the
//! server. Each holds a job for a while, with a heartbeat a second, and asks for the next one.
//!
//! It fails if a job is lost or run twice. Times and memory stand beside their goals and fail nothing,
//! for machines differ. Cargo builds benchmarks and the server that they start with its release
//! profile; in another build it says so.

#![expect(
    clippy::cast_precision_loss,
    reason = "numbers for people, of some digits"
)]

#[path = "fleet/load.rs"]
mod load;
#[path = "fleet/runner.rs"]
mod runner;
#[path = "fleet/server.rs"]
mod server;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use load::{Api, Kinds};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use runner::{Log, Plan, Simulated};
use server::{Server, Usage};
use tempfile::TempDir;
use test_support::Postgres;

/// Simulated runners against a real server
#[derive(Debug, Clone, Parser)]
struct Arguments {
    /// How many runners
    #[arg(long, default_value_t = 1000)]
    runners: usize,
    /// How many jobs wait for them
    #[arg(long, default_value_t = 10_000)]
    jobs: usize,
    /// How many projects they are of
    #[arg(long, default_value = "1")]
    projects: NonZeroUsize,
    /// How many specs they are for; every runner can run all of these
    #[arg(long, default_value = "1")]
    specs: NonZeroUsize,
    /// How long a runner holds a job, in seconds, in the mean: from half of it to one and a half
    #[arg(long, default_value_t = 5.0)]
    hold: f64,
    /// How long idle runners are measured, in seconds: a minute has one of each runner's polls; 0: they are not
    #[arg(long, default_value_t = POLL.into())]
    idle: u64,
    /// Two servers on PostgreSQL, of which one is killed every so many seconds
    #[arg(long, value_name = "SECONDS")]
    kill_every: Option<u64>,
    /// What cargo says to benchmarks
    #[arg(long, hide = true)]
    bench: bool,
}

type Error = Box<dyn std::error::Error + Send + Sync>;

/// How long nothing may be done before what is left counts as lost: longer than a runner may be silent,
/// which is when the server itself gives a job up.
const STALLED: Duration = Duration::from_secs(90);

/// How long runners poll that are to be idle, in seconds.
const POLL: u32 = 60;

/// The goals.
const MAX_IDLE_MEMORY: f64 = 200.0;
const MAX_IDLE_SHARE: f64 = 5.0;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let arguments = Arguments::parse();
    if cfg!(debug_assertions) {
        println!("This is a debug build: its times say nothing of a server.\n");
    }
    // Each runner is an open file, and this process has a thousand of them.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(measure(&arguments))
}

async fn measure(arguments: &Arguments) -> Result<(), Error> {
    let database = if arguments.kill_every.is_some() {
        let started = Postgres::start_durable()?;
        Some(started.ok_or("PostgreSQL is needed (Debian: apt-get install postgresql)")?)
    } else {
        None
    };
    let url = database.as_ref().map(Postgres::url);
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    let first = Server::start(folders[0].path(), url.as_deref())?;
    share(&folders)?;
    let token = first.token.clone().ok_or("there is no first token")?;
    let api = Api::new(&first.url, &token);
    let plan = Arc::new(Plan {
        urls: Mutex::new(vec![first.url.clone()]),
        hold: Duration::from_secs_f64(arguments.hold),
        log: Mutex::new(Log::default()),
    });
    let kinds = Kinds {
        projects: arguments.projects,
        specs: arguments.specs,
    };
    let keys = api.fleet(kinds, arguments.runners)?;
    eprintln!("{} runners are made", keys.len());

    if database.is_none() && arguments.idle > 0 {
        let idle = idle(arguments, &plan, &keys, &first).await?;
        println!("{idle}");
    }
    let begun = Instant::now();
    api.submit(kinds, arguments.jobs)?;
    let took = begun.elapsed().as_secs_f64();
    eprintln!("{} jobs are submitted in {took:.1} s", arguments.jobs);

    let mut servers = vec![first];
    if database.is_some() {
        servers.push(Server::start(folders[1].path(), url.as_deref())?);
    }
    set_urls(&plan, &servers);
    let before = Usage::of(servers[0].id())?;
    let begun = Instant::now();
    let runners = start(&plan, &keys, 3);
    let mut kills = 0;
    let mut since_kill = Instant::now();
    let mut seen = 0;
    let mut progress = Instant::now();
    while lock(&plan.log).completed < arguments.jobs && progress.elapsed() < STALLED {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = lock(&plan.log).completed;
        if now > seen {
            progress = Instant::now();
        }
        if now / 1000 > seen / 1000 {
            eprintln!(
                "{now} jobs are done after {:.0} s",
                begun.elapsed().as_secs_f64()
            );
        }
        seen = now;
        if let Some(every) = arguments.kill_every
            && since_kill.elapsed() >= Duration::from_secs(every)
        {
            let place = kills % 2;
            servers[place].kill()?;
            servers[place] = Server::start(folders[place].path(), url.as_deref())?;
            set_urls(&plan, &servers);
            kills += 1;
            since_kill = Instant::now();
        }
    }
    let took = begun.elapsed();
    let usage = Usage::of(servers[0].id())?;
    for runner in runners {
        runner.abort();
    }
    let api = Api::new(&servers[0].url, &token);
    let states = api.settled(arguments.jobs)?;
    let log = lock(&plan.log);
    let mut text = log.claims();
    let most = log.runs.values().copied().max().unwrap_or_default();
    let lost = arguments.jobs - states.get("processed").copied().unwrap_or_default();
    let _ = write!(
        text,
        "| runs of one job, at most | {most} | 1 |\n\
         | jobs not in the state `processed` | {lost} | 0 |\n\
         | jobs in a second | {:.0} | |\n",
        arguments.jobs as f64 / took.as_secs_f64()
    );
    if arguments.kill_every.is_some() {
        let _ = writeln!(text, "| servers killed | {kills} | |");
    } else {
        let _ = write!(
            text,
            "| the server's processor time | {:.0} % of one core | |\n\
             | the server's memory, at most | {:.0} MiB | |\n",
            (usage.seconds - before.seconds) / took.as_secs_f64() * 100.0,
            usage.peak,
        );
    }
    println!("{text}");
    judge(most, lost, &states)
}

/// Whether all jobs were run, and none of them twice.
fn judge(most: usize, lost: usize, states: &HashMap<String, usize>) -> Result<(), Error> {
    if lost > 0 {
        return Err(format!("{lost} jobs were lost: {states:?}").into());
    }
    if most > 1 {
        return Err(format!("a job was run {most} times").into());
    }
    Ok(())
}

/// Servers of one database share the key of its secrets, and the outputs.
fn share(folders: &[TempDir; 2]) -> Result<(), Error> {
    let [first, second] = folders.each_ref().map(TempDir::path);
    std::fs::copy(first.join("secrets.key"), second.join("secrets.key"))?;
    std::os::unix::fs::symlink(first.join("outputs"), second.join("outputs"))?;
    Ok(())
}

/// What runners that wait for jobs cost.
async fn idle(
    arguments: &Arguments,
    plan: &Arc<Plan>,
    keys: &HashMap<String, String>,
    server: &Server,
) -> Result<String, Error> {
    let runners = start(plan, keys, POLL);
    while lock(&plan.log).connected < arguments.runners {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // What connecting them cost is not what they cost.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = Usage::of(server.id())?;
    tokio::time::sleep(Duration::from_secs(arguments.idle)).await;
    let after = Usage::of(server.id())?;
    for runner in runners {
        runner.abort();
    }
    let share = (after.seconds - before.seconds) / arguments.idle as f64 * 100.0;
    Ok(format!(
        "| {} idle runners | | goal |\n|---|---:|---:|\n\
         | memory | {:.0} MiB | ≤ {MAX_IDLE_MEMORY:.0} MiB |\n\
         | processor time | {share:.1} % of one core | ≤ {MAX_IDLE_SHARE:.0} % |\n",
        arguments.runners, after.memory,
    ))
}

fn start(
    plan: &Arc<Plan>,
    keys: &HashMap<String, String>,
    poll: u32,
) -> Vec<tokio::task::JoinHandle<()>> {
    keys.iter()
        .enumerate()
        .map(|(number, (slug, key))| {
            let runner = Simulated::new(Arc::clone(plan), slug, key, number, poll);
            tokio::spawn(runner.run())
        })
        .collect()
}

fn set_urls(plan: &Plan, servers: &[Server]) {
    *lock(&plan.urls) = servers.iter().map(|server| server.url.clone()).collect();
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
