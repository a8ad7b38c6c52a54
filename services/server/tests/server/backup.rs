//! What `docs/server.md` says of copies, done as it is written there: everything is back, and works.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use test_support::{Postgres, programs};

use crate::evidence;
use crate::support::*;

const DOCUMENT: &str = include_str!("../../../../docs/server.md");

const REGISTRY: &str = "https://registry.example.com";

/// Where things are: the folders of both servers and of the copies, and the databases, if any.
struct Places {
    folder: tempfile::TempDir,
    programs: Option<PathBuf>,
}

impl Places {
    fn new(programs: Option<PathBuf>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["restored", "backup", "safe"] {
            let mut builder = DirBuilder::new();
            builder
                .mode(0o700)
                .create(folder.path().join(name))
                .unwrap();
        }
        Self { folder, programs }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Does what the documentation says, with the server's data in `data`.
    fn follow(&self, typed: &Typed, data: &Path, database: Option<&str>) {
        let paths = [data.to_owned(), self.path("backup"), self.path("safe")];
        let [data, backup, safe] = paths.map(|path| path.to_str().unwrap().to_owned());
        let database = database.map(|database| format!("'{database}'"));
        let mut values = vec![
            ("/var/lib/bencher-server", data.as_str()),
            ("/backup", &backup),
            ("/safe", &safe),
        ];
        if let Some(database) = &database {
            values.push(("postgres://bencher@db/bencher", database));
        }
        let commands = instead(&typed.commands.join("\n"), &values);
        let done = shell(self.folder.path(), self.programs.as_deref(), &commands)
            .output()
            .unwrap();
        assert!(done.status.success(), "{commands}: {done:?}");
    }
}

/// A job that uses a credential and has a secret of its own.
fn secret_job() -> Value {
    let mut body = job_body("p", "s");
    body["config"]["registry"] = json!(REGISTRY);
    body["config"]["env"] = json!({"PASSWORD": "hunter2"});
    body
}

/// A copy is made while the server works; then it is lost, and another one has the copy.
fn everything_is_back(
    mut site: Site,
    back_up: impl FnOnce(&Site),
    restore: impl FnOnce() -> (PathBuf, Setup),
) {
    let credential = json!({"registry": REGISTRY, "token": "t0ken"});
    site.api.put("/v0/credentials", &credential);
    let keys = ["ended", "known", "unknown"].map(|slug| (slug, site.new_runner(slug)));
    let url = site.server().url.clone();
    let mut runners = keys
        .each_ref()
        .map(|(slug, key)| Runner::connect(&url, slug, key).unwrap());
    // Short results are in the database, long ones are not.
    let ended = ["short".to_owned(), "x".repeat(100_000)].map(|text| {
        let id = site.api.submit(&secret_job());
        let job = evidence::claim(&mut runners[0]);
        let completed = json!({"event": "completed"});
        evidence::end(&mut runners[0], completed, &job, &evidence::evidence(&text));
        site.api.wait_for(&id, &["processed"]);
        id
    });
    let [known, unknown] = [1, 2].map(|number: usize| {
        let id = site.api.submit(&secret_job());
        assert_eq!(runners[number].claim()["uuid"], id);
        assert_eq!(runners[number].say("running"), "ack");
        id
    });
    let waits = site.api.submit(&secret_job());
    let paths: Vec<_> = ended
        .iter()
        .flat_map(|id| ["", "/results", "/evidence"].map(|part| format!("/v0/jobs/{id}{part}")))
        .chain(["/v0/projects", "/v0/specs", "/v0/credentials", "/v0/tokens"].map(str::to_owned))
        .collect();
    let before: Vec<_> = paths.iter().map(|path| site.api.get(path)).collect();

    back_up(&site);
    assert_eq!(runners[1].complete(&json!(known))["event"], "ack");
    site.api.wait_for(&known, &["processed"]);
    site.kill();
    let token = site.api.token().to_owned();
    drop(site);
    let (folder, setup) = restore();

    let server = Server::start(&folder, &setup);
    assert_eq!(server.token, None, "there is a token already");
    let api = Api::new(&server.url, &token);
    for (path, before) in paths.iter().zip(&before) {
        assert_eq!(api.get(path), *before, "{path}");
    }
    assert_eq!(
        api.job(&waits)["config"]["env"],
        json!({"PASSWORD": "hunter2"})
    );
    let mut runners = keys
        .each_ref()
        .map(|(slug, key)| Runner::connect(&server.url, slug, key).unwrap());
    // This runner has not been answered, and says it again.
    assert_eq!(runners[2].complete(&json!(unknown))["event"], "ack");
    api.wait_for(&unknown, &["processed"]);
    assert_eq!(
        api.get(&format!("/v0/jobs/{unknown}/results"))[0]["stdout"],
        "out"
    );
    // This one has, and knows nothing of its job any more.
    let job = runners[1].claim();
    assert_eq!(job["uuid"], waits);
    assert_eq!(job["oci_token"], "t0ken");
    assert_eq!(job["config"]["env"], json!({"PASSWORD": "hunter2"}));
    let lost = api.job(&known);
    assert_eq!(
        (&lost["state"], &lost["reason"]),
        (&json!("failed"), &json!("runner_lost_job"))
    );
    // What is new is kept beside what was.
    let next = api.submit(&secret_job());
    assert_eq!(evidence::claim(&mut runners[0]), next);
    let completed = json!({"event": "completed"});
    let long = evidence::evidence(&"y".repeat(100_000));
    evidence::end(&mut runners[0], completed, &json!(next), &long);
    api.wait_for(&next, &["processed"]);
    assert_eq!(api.get(&format!("/v0/jobs/{next}/evidence")), long);
    assert!(server.stop());
}

#[test]
fn what_was_copied_as_documented_is_all_there_in_an_empty_folder() {
    if programs::missing(&["sqlite3"]) {
        return;
    }
    let [back_up, _, restore, _] = blocks();
    let places = Places::new(None);
    everything_is_back(
        Site::new(),
        |site| places.follow(&back_up, site.folder.path(), None),
        || {
            let folder = places.path("restored");
            places.follow(&restore, &folder, None);
            (folder, Setup::default())
        },
    );
}

#[test]
fn what_was_copied_as_documented_is_all_there_in_an_empty_postgresql() {
    let Some(first) = Postgres::start().unwrap() else {
        return;
    };
    let second = Postgres::start().unwrap().expect("there is another one");
    let [_, back_up, _, restore] = blocks();
    let places = Places::new(Some(first.programs().to_owned()));
    let setup = |postgres: &Postgres| Setup {
        database: Some(postgres.url()),
        ..Setup::default()
    };
    everything_is_back(
        Site::with(setup(&first)),
        |site| places.follow(&back_up, site.folder.path(), Some(&first.url())),
        || {
            let folder = places.path("restored");
            places.follow(&restore, &folder, Some(&second.url()));
            // Nothing of it is a file.
            assert!(!fs::exists(folder.join("server.sqlite")).unwrap());
            (folder, setup(&second))
        },
    );
}

/// To copy from SQLite and from PostgreSQL, and to restore into each.
fn blocks() -> [Typed; 4] {
    let typed = typed(DOCUMENT, "\n## Backup and restore\n");
    <[Typed; 4]>::try_from(typed).expect("there are other commands")
}
