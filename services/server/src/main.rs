//! The `bencher-server` command.

mod arguments;
mod install_service;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use arguments::{Arguments, Command, LogFormat, Secrets, SecretsForget, Serve, TokenCreate};
use bencher_server::{FirstError, Key, Server, ServerError, document};
use clap::Parser as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The exit code of a failure that another start may not have.
const FAILED: u8 = 1;
/// The exit code of a failure that stays until a person does something: that of a wrong configuration in
/// sysexits.h(3head). A wrong command line has 2, as clap gives it.
const LASTING: u8 = 78;
/// How long the end waits for what nobody waits for any more.
const HANGING: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log(arguments.log_format);
    allow_connections();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let done = runtime.block_on(async {
        match arguments.command {
            Command::Serve(command) => serve(*command).await,
            Command::Token(arguments::Token::Create(command)) => create_token(command).await,
            Command::Secrets(Secrets::Forget(command)) => forget_secrets(command).await,
            Command::Openapi => print(&openapi()),
            Command::InstallService(command) => install_service::run(&command),
        }
    });
    // All that matters is done: a storage that hangs is not waited for.
    runtime.shutdown_timeout(HANGING);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error.as_ref()),
    }
}

type Done = Result<(), Box<dyn std::error::Error>>;

fn fail(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    // Nothing can be done if nobody reads it.
    let _unread = writeln!(io::stderr(), "error: {error}");
    ExitCode::from(if is_lasting(error) { LASTING } else { FAILED })
}

/// Whether another start would be of no use.
fn is_lasting(error: &(dyn std::error::Error + 'static)) -> bool {
    let of_server = error.downcast_ref::<ServerError>();
    let of_first = error.downcast_ref::<FirstError>();
    of_server.is_some_and(ServerError::is_lasting) || of_first.is_some_and(FirstError::is_lasting)
}

/// Takes as many open files as the system allows: each connection is one, and the usual limit of
/// 1,024 is there for programs that can not handle more.
fn allow_connections() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(now, most)| {
        // A service has it so already, and may not change limits.
        if now == most {
            return Ok(());
        }
        setrlimit(Resource::RLIMIT_NOFILE, most, most)
    });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Logs to standard error; `RUST_LOG` says how much.
fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,object_store=warn"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}

fn print(text: &str) -> Done {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()?;
    Ok(())
}

fn openapi() -> String {
    document().to_pretty_json().unwrap_or_default()
}

async fn serve(command: Serve) -> Done {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let place = command.place();
    let server = Server::start(
        &place,
        &command.listen,
        command.fronted().as_ref(),
        command.settings(),
    )
    .await?;
    if let Some(runner) = &command.first_runner
        && let Some(first) = server.first_steps(&place.folder, runner).await?
    {
        print(&format!("admin token: {}", first.token.display()))?;
        print(&format!(
            "key of the runner {runner}: {}",
            first.key.display()
        ))?;
        print(&format!(
            "images of the project `{}`: REGISTRY/{}",
            first.name, first.project
        ))?;
    }
    if let Some(file) = &command.first_token_file {
        if server.first_token_in(file).await? {
            print(&format!("admin token: {}", file.display()))?;
        }
    } else if let Some(token) = server.first_token().await? {
        print(&format!("admin token, shown only now: {}", token.expose()))?;
    }
    print(&format!("listening on http://{}", server.address()))?;
    server
        .serve(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("asked to end");
        })
        .await?;
    Ok(())
}

async fn create_token(command: TokenCreate) -> Done {
    let store = command.place.place().open_store_beside().await?;
    let project = match &command.project {
        Some(name) => Some(store.project(name).await.map_err(ServerError::from)?.id),
        None => None,
    };
    let key = Key::user()?;
    store
        .write(|mut transaction| async {
            let done = transaction
                .create_token(&command.name, &key.hash(), command.role.into(), project)
                .await;
            (transaction, done)
        })
        .await?;
    store.close().await;
    print(key.expose())
}

async fn forget_secrets(command: SecretsForget) -> Done {
    let store = command.place.place().open_store_beside().await?;
    let (count, _) = store
        .write(|mut transaction| async {
            let done = transaction.forget_seals().await;
            (transaction, done)
        })
        .await?;
    store.close().await;
    print(&format!("credentials given up: {count}"))
}
