//! Questions to the storage, so many at a time.
//!
//! What is asked of a folder is a system call on a thread, which goes on though nobody waits for its answer any more:
//! where the folder's disk hangs, as one behind a network may, for ever. So a question has a place until it has ended,
//! and not only as long as somebody waits. Whoever finds no place waits without a thread, and holds up nothing that
//! needs no storage. What is asked of a bucket ends with those who wait.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{OutputPlace, Outputs, StorageOperation};
use crate::beside::to_the_end;

/// Objects that are written at a time: each is in memory meanwhile.
const WRITES: usize = 16;
/// What else is asked at a time.
const OTHERS: usize = 64;

/// Places for questions.
#[derive(Debug, Clone)]
pub(super) struct Places {
    writes: Arc<Semaphore>,
    others: Arc<Semaphore>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            writes: Arc::new(Semaphore::new(WRITES)),
            others: Arc::new(Semaphore::new(OTHERS)),
        }
    }
}

impl Outputs {
    /// The answer to `question`, which begins once there is a place for it.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        operation: StorageOperation,
        question: impl Future<Output = T> + Send + 'static,
    ) -> T {
        if !matches!(self.place, OutputPlace::Folder(_)) {
            return question.await;
        }
        let places = match operation {
            StorageOperation::Put => &self.places.writes,
            _ => &self.places.others,
        };
        let Ok(place) = Arc::clone(places).acquire_owned().await else {
            unreachable!("it is never closed");
        };
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
    use std::time::Duration;

    use bencher_jobs::JobId;
    use tokio::time::timeout;

    use super::*;
    use crate::outputs::testing::{Hanging, object};
    use crate::outputs::{Kept, OutputError};

    #[tokio::test]
    async fn a_folder_that_hangs_has_so_many_threads_and_no_more() {
        const SOON: Duration = Duration::from_millis(20);
        let folder = tempfile::tempdir().expect("a folder");
        let place = OutputPlace::Folder(folder.path().join("outputs"));
        let outputs = Outputs::open(&place).await.expect("it can be used");
        let (path, there) = object(folder.path(), "there");
        std::fs::write(path, "[]").expect("written");
        let (path, hangs) = object(folder.path(), "hangs");
        let hanging = Hanging::at(&path);
        let left = || outputs.places.others.available_permits();
        for number in 1..=OTHERS {
            let late = outputs.get(&hangs, SOON).await;
            assert!(matches!(late, Err(OutputError::Late(_))), "{late:?}");
            assert_eq!(
                left(),
                OTHERS - number,
                "nobody waits for it, and it goes on"
            );
        }
        // Whoever comes now waits, and is given up in time like the others.
        let late = outputs.get(&there, SOON).await;
        assert!(matches!(late, Err(OutputError::Late(_))), "{late:?}");
        let removing = timeout(SOON, outputs.remove_all_of(&[])).await;
        removing.expect_err("it finds a place");
        // To write is another thing.
        let long = format!("[{}]", " ".repeat(40_000));
        let kept = outputs.put(JobId::generate(), long).await.expect("kept");
        assert!(matches!(kept, Kept::Object(_)));
        // Once the disk is there again, so are the places.
        drop(hanging);
        let again = outputs.get(&there, Duration::from_mins(1)).await;
        assert_eq!(again.expect("there"), b"[]");
        let all = async {
            while left() < OTHERS {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_mins(1), all)
            .await
            .expect("they stay");
    }
}
