//! Results in S3-compatible storage.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use serde_json::{Value, json};
use sqlx::Connection as _;
use test_support::{Postgres, S3};

use crate::support::*;

pub(crate) const BUCKET: &str = "results";

/// A server that keeps results there.
pub(crate) fn setup(s3: &S3, arguments: &[&str]) -> Setup {
    let endpoint = s3.endpoint();
    let place = format!("s3://{BUCKET}/of/servers");
    let own = ["--outputs", &place, "--outputs-endpoint", &endpoint];
    Setup {
        environment: S3::environment().to_vec(),
        ..Setup::with(&[&own, arguments].concat())
    }
}

/// A result that is too long for the database.
fn results() -> Value {
    let stdout = "a line of it\n".repeat(200_000);
    json!([{"exit_code": 0, "stdout": stdout, "output": {"/f": "file"}}])
}

fn completed(job: &Value) -> Value {
    json!({"event": "completed", "job": job, "results": results()})
}

/// The runner gets a job, and its result is taken.
fn complete(runner: &mut Runner) {
    let job = runner.claim();
    runner.say("running");
    runner.send(&completed(&job["uuid"]));
    assert_eq!(runner.receive()["event"], "ack");
}

/// The objects of a job.
pub(crate) fn objects(s3: &S3, id: &str) -> Vec<PathBuf> {
    let folder = s3.path(&format!("{BUCKET}/of/servers/results/{id}"));
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Waits for what another process does.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..600 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{what}: not after a minute");
}

/// Waits until the server says that it is ready, or that it is not: it may say what it has found a second ago.
pub(crate) fn wait_until_ready(api: &Api, is_ready: bool) {
    let status = if is_ready { 200 } else { 503 };
    wait_until(&format!("/readyz is {status}"), || {
        api.send("GET", "/readyz", None).0 == status
    });
}

fn assert_is_kept(api: &Api, id: &str) {
    api.wait_for(id, &["processed"]);
    assert_eq!(api.job(id)["summary"][0]["exit_code"], 0);
    assert_eq!(api.get(&format!("/v0/jobs/{id}/results")), results());
    let (status, file) = api.send(
        "GET",
        &format!("/v0/jobs/{id}/results/0/file?path=/f"),
        None,
    );
    assert_eq!((status, file.as_str()), (200, "file"));
}

#[test]
fn results_in_a_bucket_outlive_the_server() {
    let s3 = S3::start(BUCKET).unwrap();
    let mut site = Site::with(setup(&s3, &[]));
    let mut runner = site.connected("r");
    let id = site.submit();
    complete(&mut runner);
    site.kill();
    assert_eq!(objects(&s3, &id).len(), 1);
    assert!(!site.path("outputs").exists(), "nothing is on this machine");
    site.start_again();
    assert_is_kept(&site.api, &id);
}

#[test]
fn a_storage_that_can_not_be_used_is_said_at_the_start() {
    let mut s3 = S3::start(BUCKET).unwrap();
    let endpoint = s3.endpoint();
    let start = |place: &str, secret: &str| {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_bencher-server"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.path())
            .args(["--outputs", place, "--outputs-endpoint", &endpoint])
            .envs(S3::environment())
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut said).unwrap();
        if !said.is_empty() {
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(said, "", "it does not start");
        assert_eq!(output.status.code().map(|code| code == 0), Some(false));
        String::from_utf8(output.stderr).unwrap()
    };
    let [_, (_, secret)] = S3::environment();
    let error = start("s3://none/p", secret);
    assert!(error.contains("s3://none/p"), "{error}");
    assert!(error.contains("make the bucket"), "{error}");
    let error = start("s3://results", "wrong");
    assert!(error.contains("AWS_SECRET_ACCESS_KEY"), "{error}");
    assert!(
        !error.contains(secret) && !error.contains("wrong"),
        "{error}"
    );
    s3.stop();
    let error = start("s3://results", secret);
    assert!(error.contains("--outputs-endpoint"), "{error}");
    let error = start("gs://results", secret);
    assert!(error.contains("s3://BUCKET/PREFIX"), "{error}");
}

#[test]
fn a_result_is_not_acknowledged_before_the_storage_has_it() {
    let mut s3 = S3::start(BUCKET).unwrap();
    let site = Site::with(setup(&s3, &[]));
    let key = site.new_runner("r");
    let url = site.server().url.clone();
    let mut runner = Runner::connect(&url, "r", &key).unwrap();
    let id = site.submit();
    let job = runner.claim();
    runner.say("running");
    s3.stop();
    wait_until_ready(&site.api, false);
    runner.send(&completed(&job["uuid"]));
    // An end that tells the runner to come again with all of it.
    let frame = runner.closed().expect("a reason");
    assert_eq!(u16::from(frame.code), 1011);
    assert_eq!(site.api.job(&id)["state"], "running");
    s3.serve().unwrap();
    wait_until_ready(&site.api, true);
    let mut runner = Runner::connect(&url, "r", &key).unwrap();
    runner.send(&completed(&job["uuid"]));
    assert_eq!(runner.receive()["event"], "ack");
    assert_is_kept(&site.api, &id);
    // What can not be read now is there later.
    s3.stop();
    let (status, error) = site
        .api
        .send("GET", &format!("/v0/jobs/{id}/results"), None);
    assert_eq!(status, 503, "{error}");
    s3.serve().unwrap();
    assert_is_kept(&site.api, &id);
}

#[test]
fn a_runner_keeps_its_result_until_the_storage_is_back() {
    let mut s3 = S3::start(BUCKET).unwrap();
    let site = Site::with(setup(&s3, &[]));
    let key = site.new_runner("r");
    let url = site.server().url.clone();
    let id = site.submit();
    let mut before = Runner::connect(&url, "r", &key).unwrap();
    let job = before.claim();
    before.say("running");
    drop(before);
    // As if this one had run the job, and been killed before its result was acknowledged.
    let outbox = Up::outbox(&site);
    std::fs::create_dir_all(&outbox).unwrap();
    let letter = outbox.join(format!("{id}.json"));
    let message = completed(&job["uuid"]).to_string();
    let kept = json!({"needs_running": false, "message": message});
    std::fs::write(&letter, kept.to_string()).unwrap();
    s3.stop();
    let _runner = Up::start(&site, &url, &key, &[]);
    let log = || std::fs::read_to_string(site.path("log")).unwrap();
    wait_until("it came more than once", || {
        log().matches("results were not kept").count() > 1
    });
    assert!(letter.exists());
    s3.serve().unwrap();
    assert_is_kept(&site.api, &id);
    wait_until("it was acknowledged", || !letter.exists());
}

#[test]
fn no_result_is_lost_while_its_bucket_is_away() {
    let s3 = S3::start(BUCKET).unwrap();
    let site = Site::with(setup(&s3, &[]));
    let mut runner = site.connected("r");
    let id = site.submit();
    complete(&mut runner);
    assert_is_kept(&site.api, &id);
    let (bucket, away) = (s3.path(BUCKET), s3.path("away"));
    std::fs::rename(&bucket, &away).unwrap();
    let (status, error) = site
        .api
        .send("GET", &format!("/v0/jobs/{id}/results"), None);
    assert_eq!(status, 503, "{error}");
    std::fs::rename(&away, &bucket).unwrap();
    assert_is_kept(&site.api, &id);
    // One object is not a bucket: this result is lost, and that is said.
    let [object] = objects(&s3, &id).try_into().unwrap();
    std::fs::remove_file(object).unwrap();
    let (status, error) = site
        .api
        .send("GET", &format!("/v0/jobs/{id}/results"), None);
    assert_eq!(status, 410, "{error}");
}

/// Holds the database's lock: nobody else writes.
pub(crate) fn lock(database: &Path) -> impl Drop + use<> {
    struct Lock(tokio::runtime::Runtime, Option<sqlx::SqliteConnection>);
    impl Drop for Lock {
        fn drop(&mut self) {
            if let Some(connection) = self.1.take() {
                self.0.block_on(connection.close()).unwrap();
            }
        }
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = format!("sqlite://{}", database.display());
    let connection = runtime.block_on(async {
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut connection)
            .await
            .unwrap();
        connection
    });
    Lock(runtime, Some(connection))
}

/// Makes an object so old that it is looked at by who sweeps.
pub(crate) fn make_old(object: &Path) {
    let long_ago = SystemTime::now() - Duration::from_hours(48);
    let file = std::fs::File::open(object).unwrap();
    file.set_modified(long_ago).unwrap();
}

#[test]
fn what_was_written_just_before_a_kill_is_swept_and_nothing_else() {
    let s3 = S3::start(BUCKET).unwrap();
    let mut site = Site::with(setup(&s3, &[]));
    let key = site.new_runner("r");
    let mut runner = Runner::connect(&site.server().url, "r", &key).unwrap();
    let id = site.submit();
    let job = runner.claim();
    runner.say("running");
    let lock = lock(&site.path("server.sqlite"));
    runner.send(&completed(&job["uuid"]));
    wait_until("the result is written", || objects(&s3, &id).len() == 1);
    // The database does not name it yet.
    site.kill();
    drop(lock);
    let [orphan] = objects(&s3, &id).try_into().unwrap();
    // Of a job that this database does not know.
    let foreign = s3.path(&format!(
        "{BUCKET}/of/servers/results/{}/1.json",
        uuid::Uuid::now_v7()
    ));
    std::fs::create_dir_all(foreign.parent().unwrap()).unwrap();
    std::fs::write(&foreign, "[]").unwrap();
    for old in [&orphan, &foreign] {
        make_old(old);
    }
    site.start_again();
    assert_eq!(site.api.job(&id)["state"], "running");
    let mut runner = Runner::connect(&site.server().url, "r", &key).unwrap();
    runner.send(&completed(&job["uuid"]));
    assert_eq!(runner.receive()["event"], "ack");
    wait_until("the orphan is swept", || !orphan.exists());
    assert_eq!(objects(&s3, &id).len(), 1);
    assert!(foreign.exists());
    assert_is_kept(&site.api, &id);
}

#[test]
fn two_servers_share_a_database_and_a_bucket_and_no_folder() {
    let Some(postgres) = Postgres::start().unwrap() else {
        return;
    };
    let s3 = S3::start(BUCKET).unwrap();
    let mut site = Site::with(Setup {
        database: Some(postgres.url()),
        ..setup(&s3, &[])
    });
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(site.path("secrets.key"), folder.path().join("secrets.key")).unwrap();
    let second = Server::start(folder.path(), &site.setup);
    let key = site.new_runner("r");
    let mut runner = Runner::connect(&second.url, "r", &key).unwrap();
    let id = site.submit();
    complete(&mut runner);
    second.kill();
    drop(folder);
    assert_is_kept(&site.api, &id);
    let [object] = objects(&s3, &id).try_into().unwrap();
    let orphan = object.with_file_name("nobodys.json");
    std::fs::write(&orphan, "[]").unwrap();
    for old in [&orphan, &object] {
        make_old(old);
    }
    // It sweeps at its start.
    site.kill();
    site.start_again();
    wait_until("the orphan is swept", || !orphan.exists());
    assert!(object.exists());
}

#[test]
fn a_server_ends_though_its_storage_hangs() {
    let mut site = Site::new();
    let mut runner = site.connected("r");
    let id = site.submit();
    complete(&mut runner);
    drop(runner);
    assert_is_kept(&site.api, &id);
    let folder = site.path("outputs").join("results").join(&id);
    let object = std::fs::read_dir(folder).unwrap().next().unwrap();
    let object = object.unwrap().path();
    std::fs::remove_file(&object).unwrap();
    // Nobody writes to it, so whoever opens it waits for ever.
    nix::unistd::mkfifo(&object, Mode::S_IRUSR).unwrap();
    let host = site.server().url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let token = site.api.token();
    write!(
        stream,
        "GET /v0/jobs/{id}/results HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    .unwrap();
    let server = site.server.take().unwrap();
    wait_until("it opens the object", || server.waits_for_a_pipe());
    drop(stream);
    server.signal(Signal::SIGTERM);
    let server = Mutex::new(server);
    wait_until("it ends", || server.lock().unwrap().has_ended());
}

#[test]
fn a_storage_that_hangs_is_told_and_asked_once() {
    let mut s3 = S3::start(BUCKET).unwrap();
    let site = Site::with(setup(&s3, &[]));
    wait_until_ready(&site.api, true);
    s3.stop();
    // Whoever comes is let in, and hears nothing.
    let address = s3.endpoint();
    let silent = TcpListener::bind(address.strip_prefix("http://").unwrap()).unwrap();
    wait_until_ready(&site.api, false);
    let askers: Vec<_> = (0..8)
        .map(|_| {
            let api = site.api.clone();
            std::thread::spawn(move || api.send("GET", "/readyz", None))
        })
        .collect();
    for asker in askers {
        let (status, body) = asker.join().unwrap();
        assert_eq!(status, 503);
        assert!(
            body.contains("the storage of outputs does not answer"),
            "{body}"
        );
    }
    silent.set_nonblocking(true).unwrap();
    let waiting = std::iter::from_fn(|| silent.accept().ok());
    let waiting: Vec<_> = waiting.collect();
    assert_eq!(waiting.len(), 1);
    drop((waiting, silent));
    s3.serve().unwrap();
    wait_until_ready(&site.api, true);
}
