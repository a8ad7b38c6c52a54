//! `runner cache`.

mod human;

use std::ffi::OsString;
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

use bencher_runner::Reporter as _;
use bencher_runner::cache::Cache as RunnerCache;
use bencher_runner::images::add_image;
use bencher_runner::units::ByteSize;

use crate::FAILED;
use crate::arguments::{Cache, CacheCommand, Global};
use crate::output::print;
use crate::terminal::Terminal;
use crate::work;

/// The exit code when something is damaged: the runner itself has not failed.
const DAMAGED: u8 = 1;

pub(crate) fn run(arguments: Cache, global: &Global, terminal: Terminal) -> u8 {
    if let CacheCommand::Add { image, name } = arguments.command {
        return add(image, name, global, terminal);
    }
    match attempt(&arguments.command, global, &terminal) {
        Ok(code) => code,
        Err(message) => {
            terminal.error(&message);
            FAILED
        }
    }
}

fn add(image: OsString, name: String, global: &Global, terminal: Terminal) -> u8 {
    let directories = crate::spec::directories(global);
    work::run(terminal, move |_, cancel| {
        add_image(&image, &name, &directories, cancel)
    })
}

fn attempt(command: &CacheCommand, global: &Global, terminal: &Terminal) -> Result<u8, String> {
    let folder = crate::spec::directories(global).cache;
    let cache = RunnerCache::open(&folder).map_err(|error| error.to_string())?;
    match command {
        // It is a piece of work that a signal ends.
        CacheCommand::Add { .. } => Ok(0),
        CacheCommand::Ls { json } => {
            let listing = cache.list().map_err(|error| error.to_string())?;
            print(&listing, *json, |listing| human::listing(listing, now()))?;
            Ok(0)
        }
        CacheCommand::Rm { things } => Ok(remove(&cache, things, terminal)),
        CacheCommand::Prune { max_size, json } => {
            prune(&cache, *max_size, *json, terminal)?;
            Ok(0)
        }
        CacheCommand::Verify { repair, json } => {
            // Whoever ends it with a signal leaves nothing half done.
            let never = AtomicBool::new(false);
            let report = cache
                .verify(*repair, terminal, &never)
                .map_err(|error| error.to_string())?;
            print(&report, *json, human::verification)?;
            Ok(if report.damages.is_empty() {
                0
            } else {
                DAMAGED
            })
        }
        CacheCommand::Df { json } => {
            let usage = cache.usage().map_err(|error| error.to_string())?;
            print(&usage, *json, human::usage)?;
            Ok(0)
        }
    }
}

/// Removes what can be removed, and says of each that can not why.
fn remove(cache: &RunnerCache, things: &[String], terminal: &Terminal) -> u8 {
    let mut code = 0;
    for thing in things {
        match cache.remove(thing, terminal) {
            Ok(()) => terminal.info(&format!("removed {thing}")),
            Err(error) => {
                terminal.error(&error.to_string());
                code = FAILED;
            }
        }
    }
    code
}

fn prune(
    cache: &RunnerCache,
    limit: Option<ByteSize>,
    json: bool,
    terminal: &Terminal,
) -> Result<(), String> {
    let report = cache
        .prune(limit, terminal)
        .map_err(|error| error.to_string())?;
    print(&report, json, human::pruned)?;
    if let Some(limit) = limit
        && !report.within_limit
    {
        terminal.warning(&format!(
            "the cache still takes {}, more than {limit}: runners use {} of it, which stays until \
             they have ended",
            ByteSize::from_bytes(report.total_bytes),
            ByteSize::from_bytes(report.in_use_bytes),
        ));
    }
    Ok(())
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
