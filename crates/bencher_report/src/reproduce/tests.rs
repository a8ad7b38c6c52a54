use bencher_runner::network::NetworkState;
use bencher_runner::result::KernelIdentity;

use super::*;
use crate::samples::tests::document;
use crate::text::shell_line;
use crate::text::tests::everything;

/// What bounded the runs of the tests.
const LIMITS: &str = "--timeout 300 --boot-timeout 60 --grace-period 5 --max-output-size 4294967296B \
                      --max-file-count 1000 --max-file-size 1073741824B --max-total-file-size \
                      4294967296B";

#[test]
fn a_result_says_how_it_came_about() {
    let mut result = document(&[1, 2, 3]);
    result.iterations.0[0].warmup = true;
    result.adapter = Some("hyperfine=out.json".to_owned());
    let setup = result.setup.clone().expect("it ran");
    let words = words(
        &result,
        &setup,
        &Changes::default(),
        &["--force".to_owned()],
    );
    assert_eq!(
        shell_line(&words),
        format!(
            "run --image oci:images/busybox --disk 1073741824B --adapter hyperfine=out.json {LIMITS} --workdir / \
             --warmup 1 \
             --iter 2 --force --entrypoint '' -- sh -c 'echo hello'"
        )
    );
}

#[test]
fn names_are_pinned_and_paths_are_not() {
    for (reference, expected) in [
        ("debian:12", "debian@sha256:1"),
        ("debian", "debian@sha256:1"),
        ("localhost:5000/a/b:c", "localhost:5000/a/b@sha256:1"),
        ("localhost:5000/a", "localhost:5000/a@sha256:1"),
        ("oci:dir:tag", "oci:dir:tag"),
        ("./image.tar", "./image.tar"),
        ("image.tar", "image.tar"),
        ("debian@sha256:0", "debian@sha256:0"),
        ("sha256:0", "sha256:0"),
    ] {
        assert_eq!(pinned_to(reference, Some("sha256:1")), expected);
    }
    assert_eq!(pinned_to("debian:12", None), "debian:12");
}

#[test]
fn a_file_grants_neither_the_host_nor_a_network() {
    let more = |words: &[&str]| {
        words
            .iter()
            .map(|&word| word.to_owned())
            .collect::<Vec<_>>()
    };
    let mut setup = document(&[1]).setup.expect("it ran");
    let no_sandbox = ["--sandbox", "none"];
    assert_eq!(grants(&setup, &[]), no_sandbox);
    for repeated in [&["--sandbox", "none"][..], &["--sandbox=none"]] {
        assert_eq!(grants(&setup, &more(repeated)), [""; 0]);
    }
    assert_eq!(grants(&setup, &more(&["--env", "--sandbox"])), no_sandbox);
    setup.machine.description.sandbox = SandboxKind::Qemu;
    setup.machine.network = Some(NetworkState {
        allowed: vec!["192.0.2.0/24:80".to_owned()],
        blocked: Vec::new(),
        name_servers: Vec::new(),
    });
    let asked = ["--network-allow", "192.0.2.0/24:80"];
    assert_eq!(grants(&setup, &[]), asked);
    let repeated = more(&["--network-allow", "192.0.2.0/24:80"]);
    assert_eq!(grants(&setup, &repeated), [""; 0]);
    assert_eq!(grants(&setup, &more(&["--network"])), asked);
    setup.machine.network.as_mut().expect("one").allowed = vec![ANYWHERE.to_owned()];
    assert_eq!(grants(&setup, &[]), ["--network"]);
    assert_eq!(grants(&setup, &more(&["--network"])), [""; 0]);
}

#[test]
fn changes_replace_what_was() {
    let result = document(&[1, 2]);
    let setup = result.setup.clone().expect("it ran");
    let changes = Changes {
        image: Some("other".to_owned()),
        iterations: NonZeroU32::new(9),
        any_kernel: false,
        adapter: None,
    };
    let line = shell_line(&words(&result, &setup, &changes, &[]));
    assert!(line.starts_with("run --image other "), "{line}");
    assert!(line.contains(" --iter 9 "), "{line}");
    let more = ["--env", "PATH=/bin"].map(str::to_owned);
    assert_eq!(unset_variables(&setup, &[]), ["PATH"]);
    assert_eq!(unset_variables(&setup, &more), [""; 0]);
}

#[test]
fn the_kernel_is_pinned_unless_another_one_is_named() {
    let result = document(&[1, 2]);
    let mut setup = result.setup.clone().expect("it ran");
    setup.machine.kernel = Some(KernelIdentity {
        release: None,
        sha256: "12ab".to_owned(),
        origin: "debian:linux-image".to_owned(),
        initramfs_id: "1".to_owned(),
    });
    let line = |changes: &Changes, more: &[&str]| {
        let more: Vec<_> = more.iter().map(|&word| word.to_owned()).collect();
        shell_line(&words(&result, &setup, changes, &more))
    };
    let as_before = Changes::default();
    let any = Changes {
        any_kernel: true,
        ..Changes::default()
    };
    assert!(line(&as_before, &[]).contains(" --kernel sha256:12ab "));
    for (changes, more) in [
        (&any, &[][..]),
        (&as_before, &["--kernel", "vmlinux"]),
        (&as_before, &["--kernel=vmlinux"]),
    ] {
        assert!(!line(changes, more).contains("sha256:12ab"), "{more:?}");
    }
}

#[test]
fn what_was_run_is_run_again_and_what_was_read_is_read_again() {
    let mut comparison = everything();
    let candidate = &mut comparison.candidate;
    candidate.setup.as_mut().expect("it ran").image.reference = "app:2".to_owned();
    candidate
        .setup
        .as_mut()
        .expect("it ran")
        .image
        .manifest_digest = Some("sha256:2".to_owned());
    candidate.setup.as_mut().expect("it ran").command.arguments =
        ["bench", "a b"].map(str::to_owned).to_vec();
    let metrics = "--metric wall --metric rss --metric minor-faults --metric cycles";
    let options = format!("--sandbox none --disk 1073741824B {LIMITS} --workdir / --warmup 0");
    let line = |comparison: &Comparison| {
        shell_line(&comparison_words(comparison).expect("it is known what ran"))
    };
    assert_eq!(
        line(&comparison),
        format!(
            "compare {options} --iter 5 --seed 7 --fail-if-slower 3% {metrics} oci:images/busybox app@sha256:2 --entrypoint \
             '' -- sh -c 'echo hello' --vs bench 'a b'"
        )
    );
    // Only what ran decides on the machine.
    comparison.baseline.file = Some("old.json".to_owned());
    comparison
        .baseline
        .setup
        .as_mut()
        .expect("it ran")
        .machine
        .vcpus = Some(7);
    comparison.design.seed = None;
    assert_eq!(
        line(&comparison),
        format!(
            "compare {options} --iter 5 --fail-if-slower 3% {metrics} old.json app@sha256:2 --entrypoint '' -- bench 'a b'"
        )
    );
    std::mem::swap(&mut comparison.baseline, &mut comparison.candidate);
    let swapped = line(&comparison);
    assert!(!swapped.contains("--vcpus"), "{swapped}");
    comparison.baseline.file = Some("new.json".to_owned());
    comparison.baseline.adapter = Some("go".to_owned());
    comparison.settings.levels = Levels::Both;
    comparison.forced = true;
    comparison.gate = None;
    assert_eq!(
        line(&comparison),
        format!("compare --adapter go --levels both --force {metrics} new.json old.json")
    );
}

#[test]
fn each_sides_own_place_is_not_named_for_both() {
    let mut comparison = everything();
    comparison
        .candidate
        .setup
        .as_mut()
        .expect("it ran")
        .command
        .working_directory = "/other".to_owned();
    let line = shell_line(&comparison_words(&comparison).expect("it is known what ran"));
    assert!(!line.contains("--workdir"), "{line}");
}
