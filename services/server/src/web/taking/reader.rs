//! What is read for one page: while there is room, time, and a storage.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bencher_jobs::JobId;
use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, timeout_at};

use super::{Left, Measuring, PageError, Results};
use crate::app::App;
use crate::outputs::{Kept, OutputError, Reading, lasting};
use crate::store::Described;

/// Jobs whose results are read at the same time.
const AT_ONCE: usize = 8;

/// What is read for one page: while there is room, time, and a storage.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    app: &'a App,
    /// What there was room for at first, in bytes.
    most: usize,
    /// What there is still room for.
    room: AtomicUsize,
    /// Whether the storage gives nothing now: it is not asked any more, since each answer would be waited for.
    /// What is in the database needs none.
    is_away: AtomicBool,
    /// How long the storage may take for something, however short that is.
    patience: Duration,
    /// When it is not waited for any more.
    end: Instant,
}

/// What the storage has begun to give, and how long it may still take.
struct Begun {
    reading: Reading,
    left: Duration,
}

impl Begun {
    fn size(&self) -> usize {
        self.reading.size()
    }
}

impl<'a> Reader<'a> {
    /// One that reads `most` bytes, and waits for `all` of them, at the most.
    pub(super) fn new(app: &'a App, most: usize, patience: Duration, all: Duration) -> Self {
        Self {
            app,
            most,
            room: AtomicUsize::new(most),
            is_away: AtomicBool::new(false),
            patience,
            end: Instant::now() + all,
        }
    }

    /// What `jobs` have left, which are in their turns.
    pub(super) async fn results(&self, jobs: &[Described]) -> Result<Results, PageError> {
        let places: Vec<_> = jobs
            .iter()
            .filter_map(|Described { job, .. }| {
                let side = job.comparison?.side as usize;
                Some((side, job.id, job.life.state.is_over()))
            })
            .collect();
        let reading = stream::iter(places)
            .map(|(side, job, is_over)| async move { (side, job, self.job(job, is_over).await) });
        let mut reading = pin!(reading.buffered(AT_ONCE));
        let mut found = Results::default();
        while let Some((side, job, left)) = reading.next().await {
            let left = left?;
            if matches!(left, Left::Unread | Left::Read(..)) {
                found.of.insert(job);
            }
            found.jobs.push((side, left));
        }
        Ok(found)
    }

    /// What a job has left, if there is room for all of it.
    async fn job(&self, job: JobId, is_over: bool) -> Result<Left, PageError> {
        if !is_over {
            return Ok(Left::Open);
        }
        let Some(kept) = self.app.store.results(job).await? else {
            return Ok(Left::Nothing);
        };
        if self.room.load(Ordering::Relaxed) == 0 {
            return Ok(Left::Unread);
        }
        let Some(results) = self.begin(job, &kept).await else {
            return Ok(Left::Unread);
        };
        let evidence = match self.app.store.evidence(job).await? {
            None => Measuring::Untold,
            Some(kept) => match self.begin(job, &kept).await {
                None => Measuring::Unread,
                Some(reading) => Measuring::Told(reading),
            },
        };
        let size = match &evidence {
            Measuring::Told(evidence) => results.size().saturating_add(evidence.size()),
            Measuring::Untold | Measuring::Unread => results.size(),
        };
        if !self.take(size) {
            return Ok(Left::Unread);
        }
        let (results, evidence) = tokio::join!(self.rest(job, results), async {
            match evidence {
                Measuring::Untold => Measuring::Untold,
                Measuring::Unread => Measuring::Unread,
                Measuring::Told(reading) => match self.rest(job, reading).await {
                    None => Measuring::Unread,
                    Some(bytes) => Measuring::Told(bytes),
                },
            }
        });
        let Some(results) = results else {
            self.room.fetch_add(size, Ordering::Relaxed);
            return Ok(Left::Unread);
        };
        Ok(Left::Read(results, evidence))
    }

    /// Begins to read what is kept there, if the storage gives it.
    async fn begin(&self, job: JobId, kept: &Kept) -> Option<Begun> {
        if matches!(kept, Kept::Object(_)) && self.is_over() {
            return None;
        }
        let begun = Instant::now();
        let reading = self.app.outputs.read_until(kept, begun + self.patience);
        let reading = self.in_time(job, reading).await?;
        let patience = self.patience + lasting(reading.length);
        let left = patience.saturating_sub(begun.elapsed());
        Some(Begun { reading, left })
    }

    /// All of it, for which there is room.
    async fn rest(&self, job: JobId, begun: Begun) -> Option<Vec<u8>> {
        let end = Instant::now() + begun.left;
        self.in_time(job, begun.reading.whole_until(end)).await
    }

    /// What the storage gives while the page has time; whether it gives others is remembered.
    async fn in_time<T>(
        &self,
        job: JobId,
        reading: impl Future<Output = Result<T, OutputError>>,
    ) -> Option<T> {
        let error = match timeout_at(self.end, reading).await {
            Ok(Ok(read)) => return Some(read),
            Ok(Err(error)) => error,
            // The page is about to say how many it has not read, which is not the storage's failure.
            Err(_) => return None,
        };
        if !error.is_lost() {
            self.is_away.store(true, Ordering::Relaxed);
        }
        tracing::error!(%job, %error, "what was measured, or how, is not read");
        None
    }

    /// Whether the storage is asked for no more.
    fn is_over(&self) -> bool {
        self.is_away.load(Ordering::Relaxed) || Instant::now() >= self.end
    }

    /// Takes room for so many bytes, before they are read: others are, meanwhile. Where there is too little, there
    /// is none for what comes later either: turns that follow each other say more than those that are short.
    fn take(&self, size: usize) -> bool {
        if size > self.most {
            // No page shows it, and it is to keep no others from this one.
            return false;
        }
        let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
        let taken = self
            .room
            .fetch_update(set, get, |room| room.checked_sub(size));
        if taken.is_err() {
            self.room.store(0, Ordering::Relaxed);
        }
        taken.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::PathBuf;

    use bencher_jobs::ComparisonId;
    use tempfile::TempDir;

    use super::*;
    use crate::outputs::testing::{Hanging, object};
    use crate::server::Server;
    use crate::store::{Side, testing};

    /// How long a storage that hangs is waited for.
    const PATIENCE: Duration = Duration::from_secs(2);
    /// Room for all that tests read.
    const MOST: usize = 1 << 20;
    /// What a test does not wait for.
    const LATE: Duration = Duration::from_mins(1);

    /// A server whose results are in a folder.
    struct Site {
        server: Server,
        folder: TempDir,
    }

    impl Site {
        async fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let server = Server::in_folder(folder.path()).await;
            Self { server, folder }
        }

        fn app(&self) -> &App {
            self.server.app()
        }

        fn object(&self, name: &str) -> (PathBuf, Kept) {
            object(self.folder.path(), name)
        }

        /// Jobs of a comparison in their turns, with these results.
        async fn compared(&self, results: &[Kept]) -> Vec<Described> {
            let store = &self.app().store;
            let project = testing::project(store, "p").await;
            let comparison = ComparisonId::generate();
            let mut jobs = Vec::new();
            let submitted = testing::submit(store, project, results.len()).await;
            for (position, (job, results)) in (0..).zip(submitted.into_iter().zip(results)) {
                testing::complete(store, &[job], results).await;
                let mut described = store.described_job(job).await.expect("it is there");
                described.job.comparison = Some(Side {
                    comparison,
                    side: position % 2,
                    position,
                });
                jobs.push(described);
            }
            jobs
        }

        async fn measured(&self, jobs: &[Described], evidence: &Kept) {
            let jobs: Vec<_> = jobs.iter().map(|described| described.job.id).collect();
            testing::measure(&self.app().store, &jobs, evidence).await;
        }
    }

    /// Of each job how many bytes there are of its results and of its evidence.
    fn sizes(results: &Results) -> Vec<Option<(usize, Option<usize>)>> {
        let of = |left: &Left| match left {
            Left::Read(results, Measuring::Told(evidence)) => {
                Some((results.len(), Some(evidence.len())))
            }
            Left::Read(results, _) => Some((results.len(), None)),
            _ => None,
        };
        results.jobs.iter().map(|(_, left)| of(left)).collect()
    }

    #[tokio::test]
    async fn evidence_of_a_storage_that_hangs_is_waited_for_once_and_costs_no_results() {
        let site = Site::new().await;
        let (path, hangs) = site.object("hangs");
        let _hanging = Hanging::at(&path);
        let inline = Kept::Inline("[]".to_owned());
        let jobs = site.compared(&vec![inline; 3 * AT_ONCE]).await;
        let (first, others) = jobs.split_at(2 * AT_ONCE);
        site.measured(first, &hangs).await;
        site.measured(others, &Kept::Inline("{}".to_owned())).await;
        let begun = Instant::now();
        let reader = Reader::new(site.app(), MOST, PATIENCE, LATE);
        let results = reader.results(&jobs).await.expect("they are read");
        let took = begun.elapsed();
        assert!(took < 2 * PATIENCE, "{took:?}: it is asked again");
        // What is in the database needs no storage.
        let unread = [Some((2, None)); 2 * AT_ONCE];
        let read = [Some((2, Some(2))); AT_ONCE];
        assert_eq!(sizes(&results), [&unread[..], &read].concat());
        let (_, missing) = results.taken();
        assert_eq!((missing.results, missing.evidence), (0, 2 * AT_ONCE));
    }

    #[tokio::test]
    async fn a_storage_that_is_away_is_asked_for_nothing_else() {
        let site = Site::new().await;
        let (path, there) = site.object("there");
        fs::write(&path, "[1]").expect("written");
        // Whoever opens it fails, though it is there.
        let (path, fails) = site.object("loop");
        std::os::unix::fs::symlink("loop", &path).expect("linked");
        let inline = Kept::Inline("[]".to_owned());
        let (_, lost) = site.object("lost");
        // What is to be read before the storage fails, and after that: each job is begun once all are read that
        // are more than so many before it.
        let failing = AT_ONCE + 1;
        let mut kept = vec![inline; 2 * AT_ONCE + 3];
        kept[0] = lost;
        kept[1] = there.clone();
        kept[failing + AT_ONCE] = there;
        let jobs = site.compared(&kept).await;
        site.measured(&jobs[failing..=failing], &fails).await;
        let reader = Reader::new(site.app(), MOST, PATIENCE, LATE);
        let results = reader.results(&jobs).await.expect("they are read");
        let mut read = vec![Some((2, None)); kept.len()];
        // One that is lost says nothing of others.
        (read[0], read[1]) = (None, Some((3, None)));
        read[failing + AT_ONCE] = None;
        assert_eq!(sizes(&results), read);
    }

    #[tokio::test]
    async fn no_more_is_read_at_once_than_there_is_room_for() {
        let site = Site::new().await;
        let (path, long) = site.object("long");
        fs::write(&path, "x".repeat(40_000)).expect("written");
        // So long that whoever begins to read it does nothing else.
        let (path, longest) = site.object("longest");
        let file = File::create(&path).expect("made");
        file.set_len(1 << 36).expect("it takes no place");
        let mut kept = vec![longest];
        kept.extend(vec![long; AT_ONCE]);
        let jobs = site.compared(&kept).await;
        let (path, evidence) = site.object("evidence");
        fs::write(&path, "y".repeat(5000)).expect("written");
        site.measured(&jobs, &evidence).await;
        let reader = Reader::new(site.app(), 100_000, PATIENCE, PATIENCE);
        let results = reader.results(&jobs).await.expect("they are read");
        let sizes = sizes(&results);
        let read: Vec<_> = sizes.iter().flatten().collect();
        let bytes: usize = read
            .iter()
            .map(|(one, other)| one + other.unwrap_or(0))
            .sum();
        assert!((1..=100_000).contains(&bytes), "{sizes:?}");
        assert!(
            read.iter().all(|(_, evidence)| evidence.is_some()),
            "{sizes:?}"
        );
        assert_eq!(sizes[0], None);
    }

    #[tokio::test]
    async fn a_page_waits_no_longer_than_it_may_for_all_that_it_reads() {
        let site = Site::new().await;
        let (path, hangs) = site.object("hangs");
        let _hanging = Hanging::at(&path);
        let jobs = site.compared(&[hangs]).await;
        let begun = Instant::now();
        let reader = Reader::new(site.app(), MOST, LATE, PATIENCE);
        let results = reader.results(&jobs).await.expect("they are read");
        assert!(begun.elapsed() < LATE / 2);
        assert_eq!(sizes(&results), [None]);
    }
}
