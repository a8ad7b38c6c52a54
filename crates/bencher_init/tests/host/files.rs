//! Collected files.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use bencher_output_protocol::LogLevel;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, mkdirat};
use sha2::{Digest, Sha256};

use crate::harness::{CollectedFile, Image, image_or_skip, run};

fn paths(files: &[CollectedFile]) -> Vec<String> {
    files
        .iter()
        .map(|file| file.path.escape_ascii().to_string())
        .collect()
}

fn collect(image: &Image, script: &str, outputs: &[&str]) -> crate::harness::Outcome {
    let mut orders = image.script(script);
    orders.outputs = outputs.iter().map(|path| (*path).into()).collect();
    run(orders).succeeded()
}

#[test]
fn files_arrive_with_path_mode_size_and_contents() {
    let image = image_or_skip!();
    let script = "printf 'a\\0b' >a; chmod 4751 a; : >empty; echo t >/tmp/t; echo s >/dev/shm/s";
    let outputs = [
        "/work/a",
        "empty",
        "/tmp/t",
        "/dev/shm/s",
        "./a",
        "/work//a/",
    ];
    let outcome = collect(&image, script, &outputs);
    let file = |path: &str, mode, contents: &[u8]| CollectedFile {
        path: path.into(),
        mode,
        size: contents.len() as u64,
        contents: contents.to_vec(),
    };
    let expected = [
        file("/work/a", 0o4751, b"a\0b"),
        file("/work/empty", 0o644, b""),
        file("/tmp/t", 0o644, b"t\n"),
        file("/dev/shm/s", 0o644, b"s\n"),
        file("/work/./a", 0o4751, b"a\0b"),
        file("/work//a", 0o4751, b"a\0b"),
    ];
    assert_eq!(outcome.files, expected);
    assert!(outcome.missing.is_empty(), "{:?}", outcome.missing);
}

#[test]
fn a_folder_is_collected_in_the_order_of_names() {
    let image = image_or_skip!();
    let script = "mkdir -p d/b/x d/none; echo 1 >d/c; echo 2 >d/b/x/y; echo 3 >d/a; echo 4 >d/b.txt; \
                  echo 5 >d/\"$(printf '\\377')\"; ln -s /etc/passwd d/link; mkfifo d/pipe; ln d/a d/hard";
    let outcome = collect(&image, script, &["/work/d"]);
    assert_eq!(
        paths(&outcome.files),
        [
            "/work/d/a",
            "/work/d/b/x/y",
            "/work/d/b.txt",
            "/work/d/c",
            "/work/d/hard",
            "/work/d/\\xff"
        ]
    );
    let skipped: Vec<_> = outcome
        .logs
        .iter()
        .filter(|(level, text)| *level == LogLevel::Debug && text.contains("not collected"))
        .map(|(_, text)| text.as_str())
        .collect();
    assert_eq!(
        skipped,
        [
            "not collected, it is a symbolic link: /work/d/link",
            "not collected, it is a device, a pipe or a socket: /work/d/pipe"
        ]
    );
}

#[test]
fn what_is_not_there_is_reported_with_the_reason() {
    let image = image_or_skip!();
    let script = "mkfifo pipe; ln -s nowhere broken; ln -s loop loop; echo x >file";
    let cases = [
        ("/work/none", "no such file"),
        ("none", "no such file"),
        ("/work/broken", "no such file"),
        ("/work/loop", "ELOOP"),
        ("/work/file/x", "ENOTDIR"),
        ("/work/pipe", "a pipe"),
        ("/proc/self/status", "no such file"),
        ("/sys/kernel", "of the kernel's"),
        ("/dev/zero", "of the kernel's"),
        ("/dev/stdin", "no such file"),
        ("/dev", "of the kernel's"),
    ];
    let outputs: Vec<_> = cases.iter().map(|(path, _)| *path).collect();
    let outcome = collect(&image, script, &outputs);
    assert_eq!(outcome.missing.len(), cases.len(), "{:?}", outcome.missing);
    for ((path, reason), (expected, part)) in outcome.missing.iter().zip(cases) {
        assert_eq!(path, expected.as_bytes());
        assert!(reason.contains(part), "{expected}: {reason}");
    }
    assert!(outcome.files.is_empty());
}

#[test]
fn links_are_followed_inside_the_image_only() {
    let image = image_or_skip!();
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "the host's").unwrap();
    for (name, target) in [
        ("absolute", secret.as_path()),
        (
            "up",
            OsStr::from_bytes(b"../../../../../../etc/passwd").as_ref(),
        ),
        ("inside", "/etc/group".as_ref()),
        ("folder", "/etc".as_ref()),
    ] {
        symlink(target, image.path("work").join(name)).unwrap();
    }
    let relative = format!("../../../../..{}", secret.display());
    let outputs = [
        "absolute",
        "up",
        "inside",
        "folder/passwd",
        relative.as_str(),
        secret.to_str().unwrap(),
        "../../etc/group",
    ];
    let outcome = collect(&image, "true", &outputs);
    let passwd = std::fs::read(image.path("etc/passwd")).unwrap();
    let group = std::fs::read(image.path("etc/group")).unwrap();
    let contents: Vec<_> = outcome
        .files
        .iter()
        .map(|file| file.contents.clone())
        .collect();
    assert_eq!(contents, [passwd.clone(), group.clone(), passwd, group]);
    assert_eq!(outcome.missing.len(), 3, "{:?}", outcome.missing);
}

#[test]
fn the_number_of_files_is_limited_and_the_rest_counted() {
    let image = image_or_skip!();
    let mut orders =
        image.script("mkdir d; for i in 1 2 3 4 5 6 7; do echo $i >d/$i; done; echo x >z");
    orders.outputs = vec![b"d".to_vec(), b"z".to_vec()];
    orders.limits.file_count = 3;
    let outcome = run(orders).succeeded();
    assert_eq!(
        paths(&outcome.files),
        ["/work/d/1", "/work/d/2", "/work/d/3"]
    );
    let left_out = |output: &[u8], count| {
        let reason = format!("the limit of files is reached, {count} left out");
        (output.to_vec(), reason)
    };
    assert_eq!(outcome.missing, [left_out(b"d", 4), left_out(b"z", 1)]);
}

#[test]
fn the_size_of_each_file_is_limited() {
    let image = image_or_skip!();
    let script = "head -c 100000 /dev/zero >a; printf 123 >b; truncate -s 1000000000000 sparse";
    let mut orders = image.script(script);
    orders.outputs = vec![b"a".to_vec(), b"b".to_vec(), b"sparse".to_vec()];
    orders.limits.file_bytes = 70_000;
    let outcome = run(orders).succeeded();
    let sizes: Vec<_> = outcome
        .files
        .iter()
        .map(|file| (file.size, file.contents.len()))
        .collect();
    assert_eq!(
        sizes,
        [(100_000, 70_000), (3, 3), (1_000_000_000_000, 70_000)]
    );
}

#[test]
fn the_size_of_all_files_together_is_limited() {
    let image = image_or_skip!();
    let mut orders = image.script("for name in a b c; do head -c 1000 /dev/zero >$name; done");
    orders.outputs = vec![b"a".to_vec(), b"b".to_vec(), b"c".to_vec()];
    orders.limits.total_file_bytes = 1_500;
    let outcome = run(orders).succeeded();
    let sizes: Vec<_> = outcome
        .files
        .iter()
        .map(|file| (file.size, file.contents.len()))
        .collect();
    assert_eq!(sizes, [(1000, 1000), (1000, 500), (1000, 0)]);
}

#[test]
fn a_large_file_arrives_complete() {
    let image = image_or_skip!();
    let outcome = collect(&image, "head -c 40000000 /dev/urandom >big", &["big"]);
    let made = std::fs::read(image.path("work/big")).unwrap();
    assert_eq!(outcome.files[0].size, 40_000_000);
    assert_eq!(
        Sha256::digest(&outcome.files[0].contents),
        Sha256::digest(&made)
    );
}

#[test]
fn deep_and_hostile_names_are_survived() {
    let image = image_or_skip!();
    // 60 levels of 200 bytes: beyond the longest path that the kernel takes.
    let name = "n".repeat(200);
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut folder = open(&image.path("work"), flags, Mode::empty()).unwrap();
    for level in 1..=60 {
        mkdirat(&folder, name.as_str(), Mode::S_IRWXU).unwrap();
        folder = openat(&folder, name.as_str(), flags, Mode::empty()).unwrap();
        if level == 5 || level == 60 {
            let flags = OFlag::O_CREAT | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
            let file = openat(&folder, "file", flags, Mode::S_IRUSR).unwrap();
            nix::unistd::write(&file, format!("level {level}").as_bytes()).unwrap();
        }
    }
    let long = "x/".repeat(5000);
    let outcome = collect(&image, "true", &["/work", "", "/", "..", &long]);
    let found = |contents: &[u8]| {
        let files = outcome.files.iter();
        files.filter(|file| file.contents == contents).count()
    };
    // As /work, as the working directory, as a part of the root, twice.
    assert_eq!(found(b"level 5"), 4, "{outcome:?}");
    assert_eq!(found(b"level 60"), 0);
    let warnings = outcome.warnings();
    assert!(warnings.iter().any(|text| text.contains("ENAMETOOLONG")));
    assert!(
        warnings
            .iter()
            .any(|text| text.starts_with("an output is missing, ENAMETOOLONG"))
    );
}

#[test]
fn a_folder_of_many_files_is_collected() {
    let image = image_or_skip!();
    for number in 0..20_000 {
        image.file(&format!("many/{number:05}"), "");
    }
    let mut orders = image.script("true");
    orders.outputs = vec![b"/many".to_vec()];
    orders.limits.file_count = 30_000;
    let outcome = run(orders).succeeded();
    assert_eq!(outcome.files.len(), 20_000);
    assert!(outcome.files.is_sorted_by_key(|file| file.path.clone()));
}

#[test]
fn nothing_is_collected_when_the_command_never_began() {
    let image = image_or_skip!();
    let mut orders = image.orders(&["/none"]);
    orders.outputs = vec![b"/etc/passwd".to_vec()];
    let outcome = run(orders);
    assert!(outcome.files.is_empty() && outcome.done);
    assert_eq!(
        outcome.missing,
        [(
            b"/etc/passwd".to_vec(),
            "the command never began".to_owned()
        )]
    );
}
