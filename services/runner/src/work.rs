//! What commands have in common that take their time.

use std::fmt::Display;
use std::sync::{Arc, OnceLock};

use bencher_oci::Cancellation;
use bencher_runner::{Interrupts, Unfinished, interruptible};

use crate::FAILED;
use crate::terminal::Terminal;

/// Does `work` to its end.
pub(crate) fn asynchronously<T>(
    work: impl AsyncFnOnce() -> std::io::Result<T>,
) -> Result<T, String> {
    let failed = |error| format!("failed to start: {error}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let done = runtime.block_on(work());
    // After a second interrupt a thread may still be at work: it is not waited for.
    runtime.shutdown_background();
    done.map_err(failed)
}

/// Does `work` until it ends or a signal comes, and returns the exit code.
pub(crate) fn run<E: Display + Send + 'static>(
    terminal: Terminal,
    work: impl FnOnce(&Terminal, &Cancellation) -> Result<(), E> + Send + 'static,
) -> u8 {
    run_telling(terminal, &OnceLock::new(), |terminal, cancel| {
        work(terminal, cancel).map(|()| 0)
    })
}

/// The same for work that has an exit code of its own. Whoever interrupts it is told `hint`, if it is
/// known by then.
pub(crate) fn run_telling<E: Display + Send + 'static>(
    terminal: Terminal,
    hint: &OnceLock<String>,
    work: impl FnOnce(&Terminal, &Cancellation) -> Result<u8, E> + Send + 'static,
) -> u8 {
    let terminal = Arc::new(terminal);
    let attempt = || -> std::io::Result<Result<Result<u8, E>, Unfinished>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let for_work = Arc::clone(&terminal);
        let done = runtime.block_on(async {
            let mut interrupts = Interrupts::catch()?;
            let work = move |cancel: &Cancellation| work(&for_work, cancel);
            Ok::<_, std::io::Error>(interruptible(&mut interrupts, work).await)
        });
        // A thread that does not notice the interrupt is not waited for.
        runtime.shutdown_background();
        done
    };
    let (message, code) = match attempt() {
        Ok(Ok(Ok(code))) => return code,
        Ok(Ok(Err(error))) => (error.to_string(), FAILED),
        Ok(Err(error)) => {
            let code = match &error {
                Unfinished::Interrupted(signal) | Unfinished::LeftAlone(signal) => {
                    128 + u8::try_from(*signal as i32).unwrap_or(0)
                }
                Unfinished::Thread(_) => FAILED,
            };
            match hint.get() {
                Some(hint) if code != FAILED => (format!("{error}: {hint}"), code),
                _ => (error.to_string(), code),
            }
        }
        Err(error) => (format!("failed to start: {error}"), FAILED),
    };
    terminal.error(&message);
    code
}
