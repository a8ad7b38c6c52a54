//! What is kept and passed on.

use std::time::Duration;

use bencher_channel_protocol::OutputStream;

use super::kept::KEPT;
use super::*;

fn output(job: JobId, text: &str) -> LiveOutput {
    LiveOutput {
        job: job.uuid(),
        iteration: 0,
        stream: OutputStream::Stdout,
        text: text.to_owned(),
    }
}

fn texts(pieces: &[Piece]) -> Vec<&str> {
    pieces.iter().map(|piece| piece.text.as_str()).collect()
}

fn kept(live: &Live, job: JobId) -> Vec<Piece> {
    live.watch(job).0
}

#[test]
fn the_end_is_kept_and_what_comes_is_passed_on() {
    let live = Arc::new(Live::new(None));
    let job = JobId::generate();
    let writer = live.begin(job);
    for number in 0..100 {
        writer.write(&output(job, &format!("{number:01000}")));
    }
    let (pieces, mut coming) = live.watch(job);
    assert!(pieces.len() * 1000 <= KEPT && (pieces.len() + 10) * 1000 > KEPT);
    assert!(pieces.last().expect("some").text.ends_with("99"));
    writer.write(&output(job, "more"));
    assert_eq!(coming.try_recv().expect("a piece").text, "more");
    writer.end();
    assert!(matches!(
        coming.try_recv(),
        Err(broadcast::error::TryRecvError::Closed)
    ));
    assert!(kept(&live, job).is_empty());
}

#[test]
fn however_small_or_large_pieces_are_there_is_a_limit() {
    let live = Arc::new(Live::new(None));
    let job = JobId::generate();
    let writer = live.begin(job);
    for _ in 0..10_000 {
        writer.write(&output(job, ""));
    }
    assert!(kept(&live, job).is_empty());
    for _ in 0..10_000 {
        writer.write(&output(job, "x"));
    }
    let count = kept(&live, job).len();
    assert!(count > 100 && count <= 1024, "{count}");
    writer.write(&output(job, &"é".repeat(1 << 20)));
    let bytes: usize = kept(&live, job).iter().map(|piece| piece.text.len()).sum();
    assert!(bytes > KEPT / 2 && bytes <= KEPT, "{bytes}");
}

#[test]
fn a_writer_that_comes_back_goes_on_and_one_that_does_not_is_forgotten() {
    let live = Arc::new(Live::new(None));
    let (back, lost) = (JobId::generate(), JobId::generate());
    let writers = [live.begin(back), live.begin(lost)];
    for (writer, job) in writers.iter().zip([back, lost]) {
        writer.write(&output(job, "before"));
    }
    let (_, mut coming) = live.watch(back);
    drop(writers);
    let writer = live.begin(back);
    writer.write(&output(back, "after"));
    assert_eq!(coming.try_recv().expect("a piece").text, "after");
    assert_eq!(texts(&kept(&live, back)), ["before", "after"]);
    live.sweep();
    assert_eq!(texts(&kept(&live, lost)), ["before"], "it may come back");
    let later = Instant::now() + LEFT;
    {
        let mut state = live.lock();
        let is_left = |job| state.jobs[&job].is_left(later, LEFT);
        assert!(is_left(lost) && !is_left(back));
        let young = later - Duration::from_secs(1);
        assert!(!state.jobs[&lost].is_left(young, LEFT));
        state
            .jobs
            .retain(|_, written| !written.is_left(later, LEFT));
        assert_eq!(state.jobs.len(), 1);
    }
    drop(coming);
    drop(writer);
}

#[test]
fn pieces_of_other_servers_come_once() {
    let live = Live::new(None);
    let job = JobId::generate();
    let (one, other) = (ServerId::now_v7(), ServerId::now_v7());
    let wrote = |server, number, text: &str| {
        News::Wrote(server, number, Arc::new(output(job, text))).to_string()
    };
    // Nobody watches it here.
    live.hear(&wrote(one, 0, "lost"));
    let (_, mut coming) = live.watch(job);
    for (server, number, text) in [
        (one, 1, "a"),
        // One was lost on the way.
        (one, 3, "b"),
        // Told anew, from the beginning.
        (one, 1, "a"),
        (one, 3, "b"),
        (one, 4, "c"),
        // The runner is at another server by now.
        (other, 0, "d"),
        (live.server, 0, "its own"),
    ] {
        live.hear(&wrote(server, number, text));
    }
    assert_eq!(texts(&kept(&live, job)), ["a", "b", "c", "d"]);
    assert_eq!(coming.try_recv().expect("a piece").text, "a");
    live.hear("nonsense");
}

#[test]
fn who_asked_is_known_for_a_while() {
    let live = Live::new(None);
    let (job, server) = (JobId::generate(), ServerId::now_v7());
    let now = Instant::now();
    assert!(!live.lock().is_asked(job, now));
    live.hear(&News::Asked(job, live.server).to_string());
    assert!(!live.lock().is_asked(job, now), "it does not ask itself");
    live.hear(&News::Asked(job, server).to_string());
    assert!(live.lock().is_asked(job, now));
    assert!(!live.lock().is_asked(job, Instant::now() + ASKED));
    for _ in 0..MOST_ASKED * 2 {
        live.hear(&News::Asked(JobId::generate(), server).to_string());
    }
    assert_eq!(live.lock().asked.len(), MOST_ASKED);
}
