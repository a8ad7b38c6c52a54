//! An S3-compatible server (`s3s-fs`) on a free port of loopback, in this process.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The only key that it knows.
const ACCESS_KEY: &str = "test-key";
/// What requests are signed with.
const SECRET_KEY: &str = "test-secret";
/// How long its end may take.
const ENDING: Duration = Duration::from_secs(10);

/// An S3-compatible server, with all its data in a folder. Both end with this value.
#[derive(Debug)]
pub struct S3 {
    folder: TempDir,
    port: u16,
    runtime: Option<Runtime>,
}

impl S3 {
    /// Starts one with a bucket.
    ///
    /// # Errors
    /// When it can not listen, or its folder can not be made.
    pub fn start(bucket: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join(bucket))?;
        let mut server = Self {
            folder,
            port: 0,
            runtime: None,
        };
        server.serve()?;
        Ok(server)
    }

    /// Starts it where it was, unless it runs. It answers when this returns.
    ///
    /// # Errors
    /// When it can not listen.
    pub fn serve(&mut self) -> anyhow::Result<()> {
        if self.runtime.is_some() {
            return Ok(());
        }
        let files = FileSystem::new(self.folder.path());
        let files = files.map_err(|error| anyhow::anyhow!("no file system: {error:?}"))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = builder.build();
        let runtime = Runtime::new()?;
        let listener = runtime
            .block_on(TcpListener::bind(("127.0.0.1", self.port)))
            .context("the S3 server can not listen")?;
        self.port = listener.local_addr()?.port();
        runtime.spawn(accept(listener, service));
        self.runtime = Some(runtime);
        Ok(())
    }

    /// Ends it, and cuts its connections.
    pub fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(ENDING);
        }
    }

    /// Its address.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The variables of the environment of a program that may use it.
    pub fn environment() -> [(&'static str, &'static str); 2] {
        [
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ]
    }

    /// Where it keeps the object or the folder of objects `BUCKET/NAME`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn accept(listener: TcpListener, service: S3Service) {
    while let Ok((connection, _)) = listener.accept().await {
        let served =
            http1::Builder::new().serve_connection(TokioIo::new(connection), service.clone());
        tokio::spawn(served);
    }
}
