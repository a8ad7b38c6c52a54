//! Questions to the storage, so many at a time.
//!
//! What is asked of a folder is a system call on a thread, which goes on though nobody waits for its answer any more:
//! where the folder's disk hangs, as one behind a network may, for ever. So a question has a place until it has ended,
//! and not only as long as somebody waits. What hangs may be one object, which is asked for again and again: it has so
//! many questions of a kind, and no more. Whoever finds no place waits without a thread, and holds up nothing that needs
//! no storage. What is asked of a bucket ends with those who wait. The sweep, which is one, has a thread of its own to
//! look at a folder.

use std::sync::Arc;

use super::{OutputPlace, Outputs, StorageOperation};
use crate::beside::to_the_end;
use crate::turns::Turns;

/// Objects that are written at a time: each is in memory meanwhile.
const WRITES: usize = 16;
/// What else is asked at a time.
const OTHERS: usize = 64;
/// How much of it is the same question.
const ALIKE: usize = 4;

/// Places for questions.
#[derive(Debug, Clone)]
pub(super) struct Places {
    writes: Arc<Turns<Question>>,
    others: Arc<Turns<Question>>,
}

/// What is asked, and the name of what it is about.
type Question = (StorageOperation, String);

impl Default for Places {
    fn default() -> Self {
        Self {
            writes: Arc::new(Turns::new(WRITES, ALIKE)),
            others: Arc::new(Turns::new(OTHERS, ALIKE)),
        }
    }
}

impl Outputs {
    /// The answer to `question` about what is called `name`, which begins once there is a place for it.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        operation: StorageOperation,
        name: &str,
        question: impl Future<Output = T> + Send + 'static,
    ) -> T {
        if !matches!(self.place, OutputPlace::Folder(_)) {
            return question.await;
        }
        let places = match operation {
            StorageOperation::Put => &self.places.writes,
            _ => &self.places.others,
        };
        let place = places.take((operation, name.to_owned())).await;
        to_the_end(async move {
            let answer = question.await;
            drop(place);
            answer
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use bencher_jobs::JobId;
    use object_store::path::Path as Key;
    use tokio::time::timeout;

    use super::*;
    use crate::outputs::testing::{Hanging, object};
    use crate::outputs::{Kept, OutputError};

    /// How long a storage that hangs is waited for.
    const SOON: Duration = Duration::from_millis(20);
    /// What a test does not wait for.
    const LATE: Duration = Duration::from_mins(1);

    /// A storage, and an object that is there.
    async fn opened(folder: &Path) -> (Outputs, Kept) {
        let opened = Outputs::open(&OutputPlace::Folder(folder.join("outputs"))).await;
        let (path, there) = object(folder, "there");
        std::fs::write(path, "[]").expect("written");
        (opened.expect("it can be used"), there)
    }

    async fn is_late(outputs: &Outputs, kept: &Kept) {
        let late = outputs.get(kept, SOON).await;
        assert!(matches!(late, Err(OutputError::Late(_))), "{late:?}");
    }

    #[tokio::test]
    async fn a_folder_that_hangs_has_so_many_threads_and_no_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let (outputs, there) = opened(folder.path()).await;
        let left = || outputs.places.others.left();
        let mut hanging = Vec::new();
        for number in 1..=OTHERS {
            let (path, hangs) = object(folder.path(), &format!("hangs-{number}"));
            hanging.push(Hanging::at(&path));
            is_late(&outputs, &hangs).await;
            assert_eq!(
                left(),
                OTHERS - number,
                "nobody waits for it, and it goes on"
            );
        }
        // Whoever comes now waits, and is given up in time like the others.
        is_late(&outputs, &there).await;
        let removing = timeout(SOON, outputs.remove_all_of(&[])).await;
        removing.expect_err("it finds a place");
        // To write is another thing.
        let long = format!("[{}]", " ".repeat(40_000));
        let kept = outputs.put(JobId::generate(), long).await.expect("kept");
        assert!(matches!(kept, Kept::Object(_)));
        // Once the disk is there again, so are the places.
        drop(hanging);
        let again = outputs.get(&there, LATE).await;
        assert_eq!(again.expect("there"), b"[]");
        let all = async {
            while left() < OTHERS {
                tokio::task::yield_now().await;
            }
        };
        timeout(LATE, all).await.expect("they stay");
    }

    #[tokio::test]
    async fn an_object_that_never_comes_has_few_threads_however_often_it_is_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let (outputs, there) = opened(folder.path()).await;
        let (path, hangs) = object(folder.path(), "hangs");
        // It ends with the test though it was removed.
        let elsewhere = folder.path().join("elsewhere");
        let _hanging = Hanging::at(&elsewhere);
        std::fs::hard_link(elsewhere, &path).expect("linked");
        for number in 1..=2 * ALIKE {
            is_late(&outputs, &hangs).await;
            assert_eq!(outputs.places.others.left(), OTHERS - number.min(ALIKE));
        }
        let others = outputs.get(&there, LATE).await;
        assert_eq!(others.expect("there"), b"[]");
        // To remove it is another question.
        let removed = timeout(LATE, outputs.remove(&Key::from(hangs.column()))).await;
        removed.expect("in time").expect("it can be removed");
        assert!(!path.exists());
    }
}
