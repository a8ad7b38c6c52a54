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

/// What the server finds when it looks at itself.
enum Sight {
    Well,
    /// The database does not answer. To start again would change nothing but that requests are not even
    /// refused.
    Away(String),
    /// Something is wrong on this side.
    Stuck(String),
}

/// Gives signs of life as long as the server works, or would with a database that answers: this very task
/// runs, and the dispatcher comes round. What does not work is in the status, and the log has it once.
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
        let sight = tokio::select! {
            () = ended(&mut shutdown) => return,
            sight = look => sight,
        };
        let was_well = std::mem::replace(&mut is_well, matches!(sight, Sight::Well));
        match sight {
            Sight::Well => {
                let status = numbers(&app).await;
                tell(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
            }
            Sight::Away(error) => {
                let status = format!("waiting for the database: {error}");
                tell(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
                if was_well {
                    tracing::warn!(error, "waiting for the database");
                }
            }
            Sight::Stuck(obstacle) => {
                let status = format!("not at work: {obstacle}");
                tell(&[NotifyState::Status(&status)]);
                if was_well {
                    tracing::warn!(obstacle, "no sign of life until this is over");
                }
            }
        }
    }
}

async fn look(app: &App) -> Sight {
    let obstacle = match app.store.ping().await {
        Ok(()) => match timeout(ROUND, app.dispatcher.comes_round()).await {
            Ok(Ok(())) => return Sight::Well,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "what runners say is not written down".to_owned(),
        },
        Err(error) => error.to_string(),
    };
    if app.store.is_away().await {
        Sight::Away(obstacle)
    } else {
        Sight::Stuck(obstacle)
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
