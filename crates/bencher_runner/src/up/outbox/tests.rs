use std::os::unix::fs::MetadataExt as _;

use super::*;
use crate::reporter::Silent;

/// Long messages would only take time here.
const LIMIT: usize = 1 << 16;

fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn letter(number: u128) -> Letter {
    Letter::abandoned(uuid(number), LIMIT)
}

fn open(folder: &tempfile::TempDir) -> Outbox {
    Outbox::open(folder.path(), LIMIT).unwrap()
}

fn jobs(outbox: &Outbox) -> Vec<u128> {
    let jobs = outbox.jobs(&Silent).unwrap();
    jobs.iter().map(Uuid::as_u128).collect()
}

fn names(outbox: &Outbox) -> Vec<String> {
    let entries = fs::read_dir(&outbox.folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_written_is_there_until_it_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = open(&folder);
    outbox.write(&letter(2)).unwrap();
    outbox.write(&letter(1)).unwrap();
    let age = |job: u128, seconds| {
        let file = File::options().write(true).open(outbox.path(uuid(job)));
        let when = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        file.unwrap().set_modified(when).unwrap();
    };
    age(2, 100);
    age(1, 200);
    let again = open(&folder);
    assert_eq!(jobs(&again), [2, 1], "the oldest first");
    assert_eq!(again.read(uuid(2), &Silent), Ok(letter(2)));
    let mode = fs::metadata(outbox.path(uuid(1)))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    again.remove(uuid(2)).unwrap();
    assert_eq!(jobs(&outbox), [1]);
    again.remove(uuid(2)).unwrap();
}

/// A kill between the last byte and the rename leaves a whole message under another name.
#[test]
fn what_a_kill_has_left_is_no_second_message() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = open(&folder);
    outbox.begin(uuid(1)).unwrap();
    let whole = fs::read(outbox.path(uuid(1))).unwrap();
    for name in [".new-abc", "copy.json"] {
        fs::write(outbox.folder.join(name), &whole).unwrap();
    }
    assert_eq!(jobs(&outbox), [1]);
    // What is somebody else's stays.
    let own = format!("{}.json", uuid(1));
    assert_eq!(names(&outbox), [own.as_str(), "copy.json"]);
}

#[test]
fn what_can_not_be_read_says_whether_it_ever_will() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = open(&folder);
    let problem = |job| outbox.read(uuid(job), &Silent).unwrap_err();
    let is_lost = |problem| matches!(problem, NotLoaded::Lost(_));
    assert!(is_lost(problem(1)), "gone");
    let other = letter(9).to_file();
    let long = " ".repeat(Letter::longest_file(LIMIT) + 1);
    for (job, content) in [
        (2, &b"{\"needs"[..]),
        (3, b""),
        (4, b"\xff"),
        (5, other.as_bytes()),
        (6, long.as_bytes()),
    ] {
        fs::write(outbox.path(uuid(job)), content).unwrap();
        assert!(is_lost(problem(job)), "{job}");
        // It is kept, but not as a message.
        let aside = outbox.folder.join(format!(".damaged-{}", uuid(job)));
        assert_eq!(fs::read(aside).unwrap(), content, "{job}");
        assert!(!outbox.path(uuid(job)).exists(), "{job}");
    }
    assert_eq!(jobs(&outbox), [0_u128; 0]);
    // What is no file now may be one later.
    fs::create_dir(outbox.path(uuid(7))).unwrap();
    assert!(!is_lost(problem(7)));
    assert_eq!(jobs(&outbox), [7]);
}

#[test]
fn a_job_has_room_for_its_message_before_it_has_one() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = open(&folder);
    let longest = Letter::longest_file(LIMIT) as u64;
    outbox.make_room().unwrap();
    let made = fs::metadata(outbox.folder.join(".room")).unwrap();
    assert_eq!(made.len(), longest);
    assert!(made.blocks() * 512 >= longest, "it is really there");
    assert_eq!(made.permissions().mode() & 0o777, 0o600);
    // It is not made twice.
    outbox.make_room().unwrap();
    let again = fs::metadata(outbox.folder.join(".room")).unwrap();
    assert_eq!(again.ino(), made.ino());
    outbox.begin(uuid(1)).unwrap();
    let (own, room) = (format!("{}.json", uuid(1)), format!(".room-{}", uuid(1)));
    assert_eq!(names(&outbox), [room.as_str(), own.as_str()]);
    // Another one's message does not take it.
    outbox.write(&letter(2)).unwrap();
    assert!(outbox.folder.join(&room).exists());
    outbox.write(&letter(1)).unwrap();
    assert!(!outbox.folder.join(&room).exists());
    let written = fs::metadata(outbox.path(uuid(1))).unwrap();
    assert_eq!(written.ino(), made.ino(), "it is in its room");
    assert!(written.blocks() * 512 < longest, "and gives back the rest");
    assert_eq!(outbox.read(uuid(1), &Silent), Ok(letter(1)));
    // What is not needed is given back as well.
    outbox.begin(uuid(3)).unwrap();
    outbox.remove(uuid(3)).unwrap();
    outbox.make_room().unwrap();
    outbox.give_back_room().unwrap();
    outbox.give_back_room().unwrap();
    assert!(!names(&outbox).iter().any(|name| name.starts_with(".room")));
}

/// A room that is not whole is none.
#[test]
fn a_room_that_a_kill_has_left_half_made_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = open(&folder);
    let room = outbox.folder.join(".room");
    fs::write(&room, "half").unwrap();
    outbox.make_room().unwrap();
    let longest = Letter::longest_file(LIMIT) as u64;
    let made = fs::metadata(&room).unwrap();
    assert_eq!(made.len(), longest);
    assert!(made.blocks() * 512 >= longest);
}

/// Somebody who removes the folder has lost what was in it, and no more.
#[test]
fn a_folder_that_is_gone_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = open(&folder);
    fs::remove_dir(&outbox.folder).unwrap();
    outbox.make_room().unwrap();
    fs::remove_dir_all(&outbox.folder).unwrap();
    outbox.write(&letter(1)).unwrap();
    assert_eq!(jobs(&outbox), [1]);
}
