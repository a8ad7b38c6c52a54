//! `runner up` becomes another program that its server offers.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::up::{NEEDS, NEXT, OUTCOME, STOPPED, completed, said, stopped};
use crate::companion::Companion;
use crate::scenarios::fleet::{Fleet, Shelf, checksum, exit};
use crate::scenarios::scenario::Scenario;
use crate::scenarios::stage::Stage;

/// Which program the runner is.
const RUNNING: &str = "the running program";
/// Which one its file is.
const INSTALLED: &str = "the program in its place";
/// Which one the server knows it as.
const KNOWN: &str = "the program that the server knows";
/// What else is in the folder of the program.
const BESIDE: &str = "beside it";
const FETCHED: &str = "fetched";
const CONNECTIONS: &str = "connections";

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::driven(
        "up_self_update",
        "a program that the server offers is fetched, tried and put in place, and runs the next job",
        |stage| {
            let fleet = Fleet::found(stage, &[])?;
            let place = Place::furnish(stage)?;
            let runner = place.up(&fleet, stage)?;
            let job = fleet.submit(&fleet.script("echo before"))?;
            stage.observe(OUTCOME, fleet.outcome(&job)?);
            place.publish(&fleet, place.shelf.checksum())?;
            // The old program, the new one as it is tried, and the new one in its place.
            stage.observe(CONNECTIONS, fleet.line.wait_for(3));
            let next = fleet.submit(&fleet.script("echo after"))?;
            stage.observe(NEXT, fleet.outcome(&next)?);
            place.look(&fleet, &runner, stage)?;
            stage.observe(STOPPED, exit(runner.stop()?));
            Ok(())
        },
        |record| {
            record.saw(OUTCOME, completed(&[said("before\n")]))?;
            record.saw(NEXT, completed(&[said("after\n")]))?;
            record.saw(CONNECTIONS, 3)?;
            record.saw(FETCHED, 1)?;
            for place in [RUNNING, INSTALLED, KNOWN] {
                record.saw(place, "the new one")?;
            }
            record.saw(BESIDE, json!({"runner.previous": "the old one"}))?;
            stopped(record)
        },
    )
    .needs(NEEDS),
    Scenario::driven(
        "up_update_with_wrong_checksum",
        "a program that is not what the server says is not taken, and the old one runs the next job",
        |stage| {
            let fleet = Fleet::found(stage, &[])?;
            let place = Place::furnish(stage)?;
            place.publish(&fleet, &checksum(b"another"))?;
            let runner = place.up(&fleet, stage)?;
            // It connects once more after it has refused the program.
            stage.observe(CONNECTIONS, fleet.line.wait_for(2));
            let next = fleet.submit(&fleet.script("echo after"))?;
            stage.observe(NEXT, fleet.outcome(&next)?);
            place.look(&fleet, &runner, stage)?;
            stage.observe(STOPPED, exit(runner.stop()?));
            Ok(())
        },
        |record| {
            record.saw(NEXT, completed(&[said("after\n")]))?;
            record.saw(CONNECTIONS, 2)?;
            record.saw(FETCHED, 1)?;
            for place in [RUNNING, INSTALLED, KNOWN] {
                record.saw(place, "the old one")?;
            }
            record.saw(BESIDE, json!({}))?;
            stopped(record)
        },
    )
    .needs(NEEDS),
];

/// A folder with a runner's program of its own, and another program elsewhere.
struct Place {
    program: PathBuf,
    old: String,
    shelf: Shelf,
}

impl Place {
    fn furnish(stage: &Stage<'_>) -> anyhow::Result<Self> {
        let folder = stage.folder().join("program");
        fs::create_dir_all(&folder)?;
        let program = folder.join("runner");
        fs::copy(stage.runner.binary(), &program)?;
        let mut bytes = fs::read(&program)?;
        let old = checksum(&bytes);
        // What follows the last part of a program does not matter, but it is another file.
        bytes.extend_from_slice(b"another one");
        Ok(Self {
            program,
            old,
            shelf: Shelf::with(bytes)?,
        })
    }

    /// Starts the runner's own program. It asks often, so that it soon hears of another one.
    fn up(&self, fleet: &Fleet, stage: &mut Stage<'_>) -> anyhow::Result<Companion> {
        let mut runner = fleet.runner_of(&stage.runner.with_binary(self.program.clone()), stage);
        runner.args(["--poll-timeout", "1"]);
        stage.companion("runner", runner, None)
    }

    /// Publishes the other program under this checksum.
    fn publish(&self, fleet: &Fleet, checksum: &str) -> anyhow::Result<()> {
        let release = json!({
            "version": "1000.0.0", "channel": "stable", "os": "linux", "architecture": "x86_64",
            "url": self.shelf.url(), "checksum": checksum,
        });
        fleet.api.post("/v0/releases", &release).map(drop)
    }

    /// Which program is where.
    fn look(&self, fleet: &Fleet, runner: &Companion, stage: &mut Stage<'_>) -> anyhow::Result<()> {
        let running = PathBuf::from(format!("/proc/{}/exe", runner.id()));
        stage.observe(RUNNING, self.which(&running)?);
        stage.observe(INSTALLED, self.which(&self.program)?);
        let known = fleet.api.get("/v0/runners/here")?;
        let known = known["metadata"]["checksum"].as_str();
        stage.observe(KNOWN, self.name(known.context("it says its checksum")?));
        let folder = self.program.parent().context("it is in a folder")?;
        let mut beside = serde_json::Map::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path != self.program {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                beside.insert(name.into_owned(), self.which(&path)?.into());
            }
        }
        stage.observe(BESIDE, Value::Object(beside));
        stage.observe(FETCHED, self.shelf.fetched());
        Ok(())
    }

    fn which(&self, path: &Path) -> anyhow::Result<&'static str> {
        let bytes = fs::read(path).with_context(|| format!("{} is there", path.display()))?;
        Ok(self.name(&checksum(&bytes)))
    }

    fn name(&self, checksum: &str) -> &'static str {
        if checksum == self.old {
            "the old one"
        } else if checksum == self.shelf.checksum() {
            "the new one"
        } else {
            "another one"
        }
    }
}
