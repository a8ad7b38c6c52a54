//! The line to a PostgreSQL, on which things go wrong.

use std::path::PathBuf;

use test_support::Postgres;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// It breaks when the database says that it has committed, before that is heard.
    CommitsUnheard,
    /// Nothing comes through, and nobody is told.
    Silent,
}

/// An address from which all goes to a PostgreSQL, as long as this value lives.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) url: String,
    fault: watch::Sender<Fault>,
}

impl Line {
    pub(crate) async fn to(postgres: &Postgres) -> Self {
        let url = postgres.url();
        let (_, folder) = url.split_once("?host=").expect("it has a folder");
        let socket = PathBuf::from(folder.replace("%2F", "/")).join(".s.PGSQL.5432");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it has one");
        let (fault, receiver) = watch::channel(Fault::None);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = UnixStream::connect(&socket).await.expect("it is there");
                tokio::spawn(pass(near, far, receiver.clone()));
            }
        });
        Self {
            url: format!("postgres://bencher@{address}/postgres?sslmode=disable"),
            fault,
        }
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

/// Until either side hangs up, or the line breaks.
async fn pass(mut near: TcpStream, mut far: UnixStream, mut fault: watch::Receiver<Fault>) {
    let (mut asked, mut said) = ([0; 8192], [0; 8192]);
    loop {
        tokio::select! {
            count = near.read(&mut asked) => {
                let Ok(count @ 1..) = count else { return };
                let Ok(_) = fault.wait_for(|fault| *fault != Fault::Silent).await else { return };
                let Ok(()) = far.write_all(&asked[..count]).await else { return };
            }
            count = far.read(&mut said) => {
                let Ok(count @ 1..) = count else { return };
                let said = &said[..count];
                let Ok(now) = fault.wait_for(|fault| *fault != Fault::Silent).await.map(|now| *now) else { return };
                // The tag of what is complete: https://www.postgresql.org/docs/current/protocol-message-formats.html
                let is_committed = said.windows(7).any(|bytes| bytes == b"COMMIT\0");
                if now == Fault::CommitsUnheard && is_committed {
                    return;
                }
                let Ok(()) = near.write_all(said).await else { return };
            }
        }
    }
}
