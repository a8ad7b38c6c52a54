//! What a server needs before it can run its first job: somebody who may ask, a project, a spec of
//! this machine, and a runner. All of it comes to be at once or not at all.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use bencher_jobs::ProjectId;
use bencher_server_api::Quota;

use crate::api::projects::quota;
use crate::api::text;
use crate::key::{Key, NoRandomness};
use crate::server::SECRETS;
use crate::store::{NewProject, NewSpec, Role, Store, StoreError, Transaction};

/// What the first project and the first spec are called.
const NAME: &str = "first";
/// What the first spec asks for: what any machine has.
const CPUS: u32 = 1;
const MEMORY: u64 = 1 << 30;
const DISK: u64 = 4 << 30;

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FirstError {
    /// The runner's name is no slug.
    #[error("`{0}` is no name for a runner: take lower-case letters, digits and single hyphens")]
    Name(String),
    /// The runner's key would take the place of the server's.
    #[error(
        "a runner called `{0}` would have its key in the server's own {SECRETS}: take another name"
    )]
    Taken(String),
    /// A secret can not be kept.
    #[error("failed to write {}: {cause}; nothing was made", .path.display())]
    File {
        /// Where it was to be kept.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No key can be made.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

impl FirstError {
    /// Whether it stays as it is until a person does something.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Name(_) | Self::Taken(_) => true,
            Self::Store(error) => error.is_lasting(),
            Self::File { .. } | Self::Random(_) => false,
        }
    }
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct First {
    /// The file of an administrator's token.
    pub token: PathBuf,
    /// The file of the runner's key.
    pub key: PathBuf,
    /// The project, which is its images' repository.
    pub project: ProjectId,
    /// The project's and the spec's slug.
    pub name: &'static str,
}

/// Makes all of it in a database that nobody has a token for, with a runner of this name; secrets go
/// into files of `folder` that only their owner may read. Where there is a token already it does
/// nothing.
///
/// # Errors
///
/// When the name is no slug, or something can not be written.
pub(crate) async fn make(
    store: &Store,
    folder: &Path,
    runner: &str,
) -> Result<Option<First>, FirstError> {
    text::slug(runner).map_err(|_| FirstError::Name(runner.to_owned()))?;
    let key_file = format!("{runner}.key");
    if key_file == SECRETS {
        return Err(FirstError::Taken(runner.to_owned()));
    }
    if store.has_tokens().await? {
        return Ok(None);
    }
    let (token, key) = (Key::user()?, Key::runner()?);
    let (token_file, key_file) = (folder.join("admin.token"), folder.join(key_file));
    // Before they are worth anything: a secret that is kept nowhere would be lost.
    keep(&token_file, &token)?;
    keep(&key_file, &key)?;
    let (project, _nobody_waits) = store
        .write(|mut transaction| async {
            let done = fill(&mut transaction, runner, &token.hash(), &key.hash()).await;
            (transaction, done)
        })
        .await?;
    Ok(Some(First {
        token: token_file,
        key: key_file,
        project,
        name: NAME,
    }))
}

/// Makes everything in the database, and gives the project.
async fn fill(
    transaction: &mut Transaction,
    runner: &str,
    token_hash: &str,
    key_hash: &str,
) -> Result<ProjectId, StoreError> {
    let project = transaction
        .create_project(&NewProject {
            slug: NAME.to_owned(),
            name: NAME.to_owned(),
            quota: quota(Quota::default()),
        })
        .await?;
    let spec = transaction
        .create_spec(&NewSpec {
            slug: NAME.to_owned(),
            name: NAME.to_owned(),
            os: std::env::consts::OS.to_owned(),
            architecture: std::env::consts::ARCH.to_owned(),
            sandbox: Some("firecracker".to_owned()),
            cpu: CPUS,
            memory: MEMORY,
            disk: DISK,
            network: false,
        })
        .await?;
    let made = transaction.create_runner(runner, runner, key_hash).await?;
    transaction.link(made.id, spec.id, true).await?;
    transaction
        .create_token("first", token_hash, Role::Admin, None)
        .await?;
    Ok(project.id)
}

/// Writes a secret into a file that only its owner may read. What an attempt left that came to nothing is worth
/// nothing, and is written over.
pub(crate) fn keep(path: &Path, key: &Key) -> Result<(), FirstError> {
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        writeln!(file, "{}", key.expose())?;
        file.sync_all()
    };
    write().map_err(|cause| FirstError::File {
        path: path.to_owned(),
        cause,
    })
}
