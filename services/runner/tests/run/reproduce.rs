//! `runner reproduce`.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Cache, Image, Ran, Runner, no_image, no_vm};

/// A result of `image`, in a file.
fn result(runner: &Runner, image: &Image, arguments: &[&str]) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("before.json");
    let file = file.to_str().unwrap().to_owned();
    let script = ["--result", &file, "--", "sh", "-c", "echo $0", "x y"];
    runner.run(image, &[arguments, &script].concat()).exits(0);
    (folder, file)
}

/// Changes what a result says.
fn change(file: &str, change: impl FnOnce(&mut Value)) {
    let mut document = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    change(&mut document);
    fs::write(file, document.to_string()).unwrap();
}

fn reproduce(runner: &Runner, file: &str, arguments: &[&str]) -> Ran {
    let mut command = runner.command();
    command.args(["reproduce", file, "--format", "json"]);
    command.args(arguments).args(["--", "--sandbox", "none"]);
    Ran::of(command.output().unwrap())
}

#[test]
fn the_same_command_is_run_as_often_on_the_same_kind_of_machine() {
    if no_image() {
        return;
    }
    let config = json!({"Entrypoint": ["false"], "WorkingDir": "/etc"});
    let (runner, image) = (Runner::new(), Image::new(&config));
    let settings = [
        "--sandbox",
        "none",
        "--entrypoint",
        "",
        "--iter",
        "3",
        "--warmup",
        "1",
    ];
    let (_folder, file) = result(
        &runner,
        &image,
        &[&settings[..], &["--workdir", "/tmp"]].concat(),
    );
    let ran = reproduce(&runner, &file, &["--metric", "wall"]);
    assert!(ran.code == 0 || ran.code == 1, "{}", ran.stderr);
    let document = ran.json();
    assert_eq!(document["differences"], json!([]));
    for path in ["/command", "/image", "/machine", "/iterations", "/warmups"] {
        let sides = ["baseline", "candidate"].map(|side| document[side].pointer(path));
        assert_eq!(sides[0], sides[1], "{path}");
        assert!(sides[0].is_some_and(|value| !value.is_null()), "{path}");
    }
    assert_eq!(
        document["baseline"]["command"]["arguments"],
        json!(["sh", "-c", "echo $0", "x y"])
    );
    let verdict = document["metrics"][0]["answer"]["verdict"]
        .as_str()
        .unwrap();
    assert_eq!(ran.code == 1, verdict == "faster" || verdict == "slower");
}

#[test]
fn another_image_is_refused_unless_forced() {
    if no_image() {
        return;
    }
    let (runner, image) = (Runner::new(), Image::new(&json!({})));
    let (_folder, file) = result(&runner, &image, &["--sandbox", "none", "--iter", "2"]);
    let other = Image::new(&json!({"Env": ["A=b"]}));
    let other = [
        "--image",
        other.path().to_str().unwrap(),
        "--metric",
        "minor-faults",
    ];
    let ran = reproduce(&runner, &file, &other).exits(125);
    assert!(
        ran.stderr.contains("is another image by now"),
        "{}",
        ran.stderr
    );
    let forced = reproduce(
        &runner,
        &file,
        &[&other[..], &["--force", "--iter", "3"]].concat(),
    );
    assert!(forced.code == 0 || forced.code == 1, "{}", forced.stderr);
    assert_eq!(forced.json()["candidate"]["iterations"], 3);
}

#[test]
fn options_that_make_no_command_line_are_refused() {
    if no_image() {
        return;
    }
    let (runner, image) = (Runner::new(), Image::new(&json!({})));
    let (_folder, file) = result(&runner, &image, &["--sandbox", "none"]);
    let mut command = runner.command();
    command.args([
        "reproduce",
        &file,
        "--",
        "--sandbox",
        "none",
        "--no-such-option",
    ]);
    let ran = Ran::of(command.output().unwrap()).exits(125);
    assert!(ran.stderr.contains("--no-such-option"), "{}", ran.stderr);
    let ran = reproduce(&runner, "/no/such/file", &[]).exits(125);
    assert!(
        ran.stderr.contains("failed to read /no/such/file"),
        "{}",
        ran.stderr
    );
    assert_eq!(serde_json::from_slice::<Value>(&ran.stdout).ok(), None);
}

#[test]
fn a_file_does_not_grant_the_hosts_own_kernel() {
    if no_image() {
        return;
    }
    let (runner, image) = (Runner::new(), Image::new(&json!({})));
    let (_folder, file) = result(&runner, &image, &["--sandbox", "none"]);
    let mut command = runner.command();
    let ran = Ran::of(command.args(["reproduce", &file]).output().unwrap()).exits(125);
    let told = format!("runner reproduce {file} -- --sandbox none");
    assert!(ran.stderr.contains(&told), "{}", ran.stderr);
    assert!(ran.stdout.is_empty());
}

#[test]
fn another_machine_is_refused_before_it_runs() {
    if no_image() {
        return;
    }
    let (runner, image) = (Runner::new(), Image::new(&json!({})));
    let (_folder, file) = result(&runner, &image, &["--sandbox", "none", "--iter", "2"]);
    change(&file, |document| {
        document["host"]["cpu_model"] = json!("Another");
    });
    let ran = reproduce(&runner, &file, &[]).exits(125);
    let expected = "processor (Another and ";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    assert!(!ran.stderr.contains("iteration 1:"), "{}", ran.stderr);
}

#[test]
fn the_kernel_is_the_one_that_it_was() {
    if no_vm() {
        return;
    }
    let (cache, image) = (Cache::new(), Image::new(&json!({})));
    let mut command = Runner::new().command();
    let fetched = Ran::of(command.args(["kernel", "fetch"]).output().unwrap()).exits(0);
    let usual = PathBuf::from(fetched.text().trim());
    let folder = tempfile::tempdir().unwrap();
    let kernel = folder.path().join("vmlinux");
    // Another one by its digest, and the same to whoever boots it.
    let content = [&fs::read(&usual).unwrap()[..], b"\0"].concat();
    fs::write(&kernel, content).unwrap();
    let file = folder.path().join("before.json");
    let file = file.to_str().unwrap();
    let mut command = cache.command(&["run", "--sandbox", "qemu", "--accelerator", "tcg"]);
    command.args(["--iter", "2", "--result", file]);
    command.arg("--kernel").arg(&kernel);
    command
        .arg("--kernel-modules")
        .arg(usual.with_file_name("modules"));
    command
        .arg("--image")
        .arg(image.path())
        .args(["--", "true"]);
    Ran::of(command.output().unwrap()).exits(0);
    fs::remove_file(&kernel).unwrap();

    let again = |arguments: &[&str]| {
        let mut command = cache.command(&["reproduce", file, "--format", "json"]);
        command.args(["--metric", "wall"]);
        Ran::of(command.args(arguments).output().unwrap())
    };
    let same = again(&[]);
    assert!(same.code == 0 || same.code == 1, "{}", same.stderr);
    let document = same.json();
    let kernels = ["baseline", "candidate"].map(|side| &document[side]["machine"]["kernel"]);
    assert!(kernels[0].is_object());
    assert_eq!(kernels[0], kernels[1]);
    assert_eq!(document["forced"], false);

    change(file, |document| {
        document["machine"]["kernel"]["sha256"] = json!("0".repeat(64));
    });
    let gone = again(&[]).exits(125);
    let expected = format!("with --kernel {}, and its modules", kernel.display());
    assert!(
        gone.stderr.contains("is not in the cache"),
        "{}",
        gone.stderr
    );
    assert!(gone.stderr.contains(&expected), "{}", gone.stderr);
    assert!(!gone.stderr.contains("iteration 1:"), "{}", gone.stderr);
    // Whoever names one is told that it is another one.
    let named = usual.to_str().unwrap();
    let modules = usual.with_file_name("modules");
    let modules = modules.to_str().unwrap();
    let named = ["--", "--kernel", named, "--kernel-modules", modules];
    let other = again(&named).exits(125);
    let expected = "not of the same machine or clock: guest kernel (0000";
    assert!(other.stderr.contains(expected), "{}", other.stderr);
    let forced = again(&[&["--force"][..], &named].concat());
    assert!(forced.code == 0 || forced.code == 1, "{}", forced.stderr);
    let document = forced.json();
    assert_eq!(document["forced"], true);
    assert_eq!(document["differences"][0]["what"], "guest kernel");
}

#[test]
fn a_command_that_fails_by_now_is_told() {
    if no_image() {
        return;
    }
    let (runner, image) = (Runner::new(), Image::new(&json!({})));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("before.json");
    let file = file.to_str().unwrap();
    let run = ["--sandbox", "none", "--iter", "2", "--result", file];
    let command = ["--", "sh", "-c", "[ -z \"$FAILS\" ]"];
    runner.run(&image, &[&run[..], &command].concat()).exits(0);
    let mut command = runner.command();
    command.args(["reproduce", file, "--format", "json", "--"]);
    command.args(["--sandbox", "none", "--allow-failure", "--env", "FAILS=1"]);
    let ran = Ran::of(command.output().unwrap()).exits(125);
    let expected = "now has no iteration to compare: its command failed in each of 2 iterations";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
}
