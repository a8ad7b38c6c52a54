//! What tests of several modules put into a database.

mod line;

use bencher_channel_protocol::ConnectionNumber;
use bencher_jobs::{ConnectionId, JobId, ProjectId, Quota, RunnerId, SpecId};
use tempfile::TempDir;

pub(crate) use line::{Fault, Line};

use super::{Greeting, KeptConfig, NewJob, NewProject, NewSpec, Opened, Store};
use crate::outputs::Kept;

/// An SQLite file in a folder, which goes with it.
pub(crate) async fn database() -> (TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open_file(&folder.path().join("db"))
        .await
        .expect("a database");
    (folder, store)
}

/// A project without limits that matter.
pub(crate) async fn project(store: &Store, slug: &str) -> ProjectId {
    let new = NewProject {
        slug: slug.to_owned(),
        name: slug.to_owned(),
        quota: Quota {
            queued: 100_000,
            active: 100_000,
            priority: 0,
        },
    };
    let (project, _) = store
        .write(|mut transaction| async {
            let done = transaction.create_project(&new).await;
            (transaction, done)
        })
        .await
        .expect("a project");
    project.id
}

/// A spec.
pub(crate) async fn spec(store: &Store, slug: &str) -> SpecId {
    let asks = NewSpec {
        slug: slug.to_owned(),
        name: slug.to_owned(),
        os: "linux".to_owned(),
        architecture: "x86_64".to_owned(),
        sandbox: None,
        cpu: 1,
        memory: 1,
        disk: 1,
        network: false,
    };
    let (spec, _) = store
        .write(|mut transaction| async {
            let done = transaction.create_spec(&asks).await;
            (transaction, done)
        })
        .await
        .expect("a spec");
    spec.id
}

/// A runner that is linked to `spec`, and its connection.
pub(crate) async fn runner(store: &Store, slug: &str, spec: SpecId) -> (RunnerId, ConnectionId) {
    let connection = ConnectionId::generate();
    let mut transaction = store.begin().await.expect("a transaction");
    let runner = transaction
        .create_runner(slug, slug, slug)
        .await
        .expect("a runner")
        .id;
    transaction.link(runner, spec, true).await.expect("linked");
    let greeting = greeting(runner, connection, None);
    transaction.greet(&[greeting]).await.expect("connected");
    transaction.commit().await.expect("committed");
    (runner, connection)
}

/// A runner opens a connection.
pub(crate) fn greeting(
    runner: RunnerId,
    connection: ConnectionId,
    number: Option<ConnectionNumber>,
) -> Greeting {
    Greeting {
        runner,
        connection: Some(Opened {
            id: connection,
            number,
            key_hash: None,
        }),
        left: None,
        metadata: None,
    }
}

/// What is submitted for `spec`.
pub(crate) fn new_job(spec: SpecId) -> NewJob {
    NewJob {
        id: JobId::generate(),
        spec,
        submitter: None,
        priority: 0,
        timeout: 60,
        config: KeptConfig {
            text: "{}".to_owned(),
            sealed: None,
        },
        comparison: None,
        trace: None,
    }
}

/// So many jobs, for a spec of their own.
pub(crate) async fn submit(store: &Store, project: ProjectId, count: usize) -> Vec<JobId> {
    let spec = spec(store, &format!("s{}", uuid::Uuid::now_v7())).await;
    submit_for(store, project, spec, count).await
}

/// So many jobs for `spec`.
pub(crate) async fn submit_for(
    store: &Store,
    project: ProjectId,
    spec: SpecId,
    count: usize,
) -> Vec<JobId> {
    let jobs: Vec<NewJob> = (0..count).map(|_| new_job(spec)).collect();
    let (ids, _) = store
        .write(|mut transaction| async {
            let done = transaction.submit(project, &jobs, 1_000_000).await;
            (transaction, done)
        })
        .await
        .expect("submitted");
    ids
}

/// Jobs have been completed, with these results each.
pub(crate) async fn complete(store: &Store, jobs: &[JobId], results: &Kept) {
    let query = "UPDATE jobs SET state = 'completed', results = $1 WHERE id = $2";
    keep(store, query, jobs, results).await;
}

/// Jobs have been measured so, each.
pub(crate) async fn measure(store: &Store, jobs: &[JobId], evidence: &Kept) {
    let query = "UPDATE jobs SET evidence = $1 WHERE id = $2";
    keep(store, query, jobs, evidence).await;
}

async fn keep(store: &Store, query: &'static str, jobs: &[JobId], kept: &Kept) {
    for job in jobs {
        sqlx::query(query)
            .bind(kept.column().to_owned())
            .bind(job.to_string())
            .execute(&store.writers)
            .await
            .expect("written");
    }
}
