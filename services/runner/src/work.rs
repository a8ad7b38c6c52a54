//! What commands have in common that take their time.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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
    work: impl FnOnce(&Terminal, &AtomicBool) -> Result<(), E> + Send + 'static,
) -> u8 {
    let terminal = Arc::new(terminal);
    let attempt = || -> std::io::Result<Result<Result<(), E>, Unfinished>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let for_work = Arc::clone(&terminal);
        let done = runtime.block_on(async {
            let mut interrupts = Interrupts::catch()?;
            let work = move |cancel: &AtomicBool| work(&for_work, cancel);
            Ok::<_, std::io::Error>(interruptible(&mut interrupts, work).await)
        });
        // A thread that does not notice the interrupt is not waited for.
        runtime.shutdown_background();
        done
    };
    let (message, code) = match attempt() {
        Ok(Ok(Ok(()))) => return 0,
        Ok(Ok(Err(error))) => (error.to_string(), FAILED),
        Ok(Err(Unfinished::Interrupted(signal))) => (
            "interrupted".to_owned(),
            128 + u8::try_from(signal as i32).unwrap_or(0),
        ),
        Ok(Err(error)) => (error.to_string(), FAILED),
        Err(error) => (format!("failed to start: {error}"), FAILED),
    };
    terminal.error(&message);
    code
}
