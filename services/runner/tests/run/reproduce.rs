//! `runner reproduce`.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Image, Ran, Runner, no_image};

/// A result of `image`, in a file.
fn result(runner: &Runner, image: &Image, arguments: &[&str]) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("before.json");
    let file = file.to_str().unwrap().to_owned();
    let script = ["--result", &file, "--", "sh", "-c", "echo $0", "x y"];
    runner.run(image, &[arguments, &script].concat()).exits(0);
    (folder, file)
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
