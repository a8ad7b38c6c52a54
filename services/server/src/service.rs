//! What a service manager is told: `sd_notify`(3). Without one nothing is.

use std::net::SocketAddr;
use std::time::Duration;

use bencher_jobs::State;
use sd_notify::NotifyState;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::app::{App, ended};

/// How often the server looks at itself, at least.
const LOOK: Duration = Duration::from_secs(10);
/// Signs of life in the time in which one is expected: some may come late or be left out.
const SIGNS: u32 = 4;
/// How long the dispatcher may be at what it does: as long as a transaction may take, and once more.
const ROUND: Duration = Duration::from_secs(45);

/// The server opens what it needs, which may take long.
pub(crate) fn say_opening() {
    tell(&[NotifyState::Status(
        "opening the database, and bringing it up to date",
    )]);
}

/// The server takes connections at `address`, and everything that it needs is open.
pub(crate) fn say_ready(address: SocketAddr) {
    let status = format!("listening on http://{address}");
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// The server ends.
pub(crate) fn say_stopping() {
    tell(&[
        NotifyState::Stopping,
        NotifyState::Status("ending: connections are to hang up"),
    ]);
}

/// Gives signs of life as long as the server works: this very task runs, the database answers, and the
/// dispatcher comes round. What does not work is in the status, and the log has it once.
pub(crate) async fn run(app: App) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let every = sd_notify::watchdog_enabled().map_or(LOOK, |within| (within / SIGNS).min(LOOK));
    let mut interval = interval_at(Instant::now() + every, every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shutdown = app.shutdown.clone();
    let mut is_well = true;
    loop {
        let look = async {
            interval.tick().await;
            look(&app).await
        };
        let obstacle = tokio::select! {
            () = ended(&mut shutdown) => return,
            obstacle = look => obstacle,
        };
        match obstacle {
            None => {
                tell(&[
                    NotifyState::Watchdog,
                    NotifyState::Status(&numbers(&app).await),
                ]);
                is_well = true;
            }
            Some(obstacle) => {
                tell(&[NotifyState::Status(&obstacle)]);
                if is_well {
                    tracing::warn!(obstacle, "no sign of life until this is over");
                }
                is_well = false;
            }
        }
    }
}

/// Why the server does not work, if so.
async fn look(app: &App) -> Option<String> {
    if let Err(error) = app.store.ping().await {
        return Some(format!("not at work: {error}"));
    }
    match timeout(ROUND, app.dispatcher.comes_round()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("not at work: {error}")),
        Err(_) => Some("not at work: what runners say is not written down".to_owned()),
    }
}

/// What the server is at. That it can not be counted is not worth a word: it is looked at again soon.
async fn numbers(app: &App) -> String {
    let connected = app.settings.connected();
    let numbers = app.counted.numbers(&app.store, connected).await;
    let states = numbers.unwrap_or_default().states;
    let count = |wanted: &[State]| -> u64 {
        let counted = states.iter().filter(|(state, _)| wanted.contains(state));
        counted.map(|(_, count)| count).sum()
    };
    format!(
        "runners connected here: {}; jobs at work: {}, waiting: {}",
        app.bus.connected(),
        count(&[State::Claimed, State::Running]),
        count(&[State::Pending]),
    )
}

/// A manager that does not listen is no reason to end: it will do what it thinks fit.
fn tell(states: &[NotifyState<'_>]) {
    let _unheard = sd_notify::notify(states);
}
