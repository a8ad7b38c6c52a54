//! Whether the server can do its work, for whoever asks without a token: the database and the storage are asked
//! seldom, however often they do, and one question at a time.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::outputs::{OutputError, Outputs};
use crate::store::Store;

/// How old an answer may be.
const AGE: Duration = Duration::from_secs(1);
/// How long the storage may be waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the server waits for in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unready {
    #[error("the database does not answer")]
    Database,
    #[error("the storage of outputs does not answer")]
    Storage,
}

/// What was found last, and when.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    found: Option<(Instant, Result<(), Unready>)>,
    /// A question that the storage has not answered yet: where it hangs, it is not asked again and again.
    asked: Option<JoinHandle<Result<(), OutputError>>>,
}

impl Readiness {
    /// Whether both answer. Those who ask together wait for one answer.
    ///
    /// # Errors
    ///
    /// When one of them does not, or not at once.
    pub(crate) async fn check(&self, store: &Store, outputs: &Outputs) -> Result<(), Unready> {
        let mut known = self.0.lock().await;
        if let Some((when, found)) = known.found
            && when.elapsed() < AGE
        {
            return found;
        }
        let found = known.ask(store, outputs).await;
        known.found = Some((Instant::now(), found));
        found
    }
}

impl Known {
    async fn ask(&mut self, store: &Store, outputs: &Outputs) -> Result<(), Unready> {
        if let Err(error) = store.ping().await {
            tracing::warn!(%error, "not ready");
            return Err(Unready::Database);
        }
        // An answer that came when nobody waited for it says nothing of now.
        self.asked = self.asked.take().filter(|asked| !asked.is_finished());
        let asked = self.asked.get_or_insert_with(|| {
            let outputs = outputs.clone();
            tokio::spawn(async move { outputs.ping().await })
        });
        let Ok(answer) = timeout(PATIENCE, asked).await else {
            tracing::warn!(
                seconds = PATIENCE.as_secs(),
                "not ready: the storage does not answer"
            );
            return Err(Unready::Storage);
        };
        self.asked = None;
        match answer {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "not ready");
                Err(Unready::Storage)
            }
            Err(error) => {
                tracing::error!(%error, "not ready");
                Err(Unready::Storage)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::outputs::OutputPlace;
    use crate::outputs::testing::Hanging;
    use crate::store::testing;

    async fn opened(place: &Path) -> Outputs {
        let opened = Outputs::open(&OutputPlace::Folder(place.to_owned())).await;
        opened.expect("it can be used")
    }

    /// Both are asked anew.
    async fn again(readiness: &Readiness, store: &Store, outputs: &Outputs) -> Result<(), Unready> {
        readiness.0.lock().await.found = None;
        readiness.check(store, outputs).await
    }

    #[tokio::test]
    async fn both_are_asked_seldom() {
        let (folder, store) = testing::database().await;
        let place = folder.path().join("outputs");
        let outputs = opened(&place).await;
        let readiness = Readiness::default();
        assert_eq!(readiness.check(&store, &outputs).await, Ok(()));
        // What was found just now is not looked for again.
        fs::rename(place.join("check"), place.join("gone")).expect("it is there");
        assert_eq!(readiness.check(&store, &outputs).await, Ok(()));
        let again = || again(&readiness, &store, &outputs);
        assert_eq!(again().await, Err(Unready::Storage));
        fs::rename(place.join("gone"), place.join("check")).expect("it is there");
        assert_eq!(again().await, Ok(()));
        store.close().await;
        assert_eq!(again().await, Err(Unready::Database));
    }

    #[tokio::test]
    async fn a_storage_that_hangs_is_asked_once_and_its_late_answer_is_not_taken_for_one_of_now() {
        let (folder, store) = testing::database().await;
        let place = folder.path().join("outputs");
        let outputs = opened(&place).await;
        let readiness = Readiness::default();
        let check = place.join("check");
        fs::remove_file(&check).expect("it is there");
        let hanging = Hanging::at(&check);
        let again = || again(&readiness, &store, &outputs);
        let asked = async || {
            let known = readiness.0.lock().await;
            let asked = known.asked.as_ref().expect("it is not answered");
            (asked.id(), asked.is_finished())
        };
        assert_eq!(again().await, Err(Unready::Storage));
        let (first, _) = asked().await;
        assert_eq!(again().await, Err(Unready::Storage));
        assert_eq!(asked().await, (first, false), "it is asked once more");
        // It answers, and goes away.
        drop(hanging);
        let answered = async {
            // Whoever waited for it would have its answer, which nobody is to have here.
            while !asked().await.1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let answered = timeout(Duration::from_mins(1), answered).await;
        answered.expect("it answers");
        fs::remove_file(&check).expect("it is there");
        assert_eq!(again().await, Err(Unready::Storage));
        fs::write(&check, "").expect("written");
        assert_eq!(again().await, Ok(()));
    }
}
