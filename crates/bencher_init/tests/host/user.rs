//! Who the command runs as.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use crate::harness::{Guest, INIT, image_or_skip, run, spawn};

const WHO: &str = "id -u; id -g; id -G; echo $HOME";

#[test]
fn users_and_groups_are_those_of_the_image() {
    let image = image_or_skip!();
    for (user, expected) in [
        ("", "0\n0\n0\n/root\n"),
        ("root", "0\n0\n0\n/root\n"),
        ("app", "1000\n1001\n1001 29 44\n/home/app\n"),
        ("1000", "1000\n1001\n1001 29 44\n/home/app\n"),
        ("app:audio", "1000\n29\n29\n/home/app\n"),
        ("70000:70001", "70000\n70001\n70001\n/\n"),
    ] {
        let mut orders = image.script(WHO);
        user.clone_into(&mut orders.user);
        assert_eq!(run(orders).succeeded().stdout(), expected, "{user:?}");
    }
}

#[test]
fn another_user_has_no_capabilities_and_its_own_standard_output() {
    let image = image_or_skip!();
    let mut orders =
        image.script("grep CapEff /proc/self/status; echo again >/dev/stdout; cat /etc/shadow");
    image.file("etc/shadow", "secret");
    std::fs::set_permissions(
        image.path("etc/shadow"),
        std::fs::Permissions::from_mode(0o600),
    )
    .unwrap();
    "app".clone_into(&mut orders.user);
    let outcome = run(orders);
    assert_eq!(outcome.stdout(), "CapEff:\t0000000000000000\nagain\n");
    assert!(String::from_utf8_lossy(&outcome.stderr).contains("Permission denied"));
}

#[test]
fn a_user_that_the_image_lacks_is_a_failure_that_names_it() {
    let image = image_or_skip!();
    let mut orders = image.script("true");
    "ghost".clone_into(&mut orders.user);
    let outcome = run(orders);
    let failed = outcome.failed.unwrap();
    assert_eq!(failed.0, "look up the user \"ghost\"");
    assert!(
        failed.1.contains("/etc/passwd has no user \"ghost\""),
        "{failed:?}"
    );
    let console = format!("bencher_init: failed to {}: {}\n", failed.0, failed.1);
    assert_eq!(outcome.console, console);
    assert!(!outcome.began && !outcome.done);
}

#[test]
fn files_that_are_no_files_do_not_hang_the_look_up() {
    let image = image_or_skip!();
    std::fs::remove_file(image.path("etc/passwd")).unwrap();
    nix::unistd::mkfifo(&image.path("etc/passwd"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    let failed = run(image.script("true")).failed.unwrap();
    assert!(failed.1.contains("no regular file"), "{failed:?}");
    std::fs::remove_file(image.path("etc/passwd")).unwrap();
    std::fs::File::create(image.path("etc/passwd"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let failed = run(image.script("true")).failed.unwrap();
    assert!(failed.1.contains("1099511627776 bytes"), "{failed:?}");
}

const NOBODY: u32 = 65534;

/// Gives a tree to nobody, with a copy of init that nobody may execute.
fn give_away(image: &crate::harness::Image) -> std::path::PathBuf {
    fn give(path: &Path) {
        std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        if path.is_dir() && !path.is_symlink() {
            for entry in std::fs::read_dir(path).unwrap() {
                give(&entry.unwrap().path());
            }
        }
    }
    image.executable("init", std::fs::read(INIT).unwrap());
    let init = image.path("init");
    give(&image.path(""));
    chown(&init, Some(0), Some(0)).unwrap();
    init
}

/// Whether users may make namespaces here.
fn users_may_make_namespaces() -> bool {
    use std::os::unix::process::CommandExt;
    let mut unshare = std::process::Command::new("unshare");
    unshare.args(["-Urmpf", "true"]).uid(NOBODY).gid(NOBODY);
    spawn(&mut unshare).is_ok_and(|mut child| child.wait().is_ok_and(|status| status.success()))
}

#[test]
fn without_root_the_command_is_root_of_a_user_namespace() {
    let image = image_or_skip!();
    if !users_may_make_namespaces() {
        eprintln!("skipped: users may not make namespaces here");
        return;
    }
    let init = give_away(&image);
    let script = format!(
        "{WHO}; echo $$; echo made >/work/file; set -- /proc/[0-9]*; echo $#; hostname; \
                          echo x >/dev/null; [ -c /dev/pts/ptmx ] || echo no pts; [ ! -e /dev/.host-proc ]"
    );
    let mut orders = image.script(&script);
    "app".clone_into(&mut orders.user);
    orders.outputs = vec![b"/work".to_vec()];
    let outcome = Guest::start_as(NOBODY, &init, orders).finish().succeeded();
    assert_eq!(
        outcome.stdout(),
        "0\n0\n0\n/home/app\n2\n2\ntestbox\n",
        "{outcome:?}"
    );
    assert!(
        outcome
            .warnings()
            .iter()
            .any(|text| text.contains("instead of as user \"app\"")),
        "{:?}",
        outcome.warnings()
    );
    assert_eq!(outcome.files[0].path, b"/work/file");
    assert_eq!(outcome.files[0].contents, b"made\n");
}

#[test]
fn without_root_the_out_of_memory_score_stays_as_it_is() {
    let image = image_or_skip!();
    if !users_may_make_namespaces() {
        eprintln!("skipped: users may not make namespaces here");
        return;
    }
    let program = give_away(&image);
    // What root has set a user may not lower, and desktops set it for all of a user's programs.
    let script = "echo 200 >/proc/self/oom_score_adj; \
                  exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$1\" host --stream-fd 0";
    let mut init = std::process::Command::new("sh");
    init.args(["-c", script, "sh"]).arg(program);
    let orders = image.orders(&["cat", "/proc/self/oom_score_adj"]);
    let outcome = Guest::start_with(&mut init, orders).finish().succeeded();
    assert_eq!(outcome.stdout, b"200\n");
}

#[test]
fn without_root_a_disk_is_refused() {
    let image = image_or_skip!();
    if !users_may_make_namespaces() {
        eprintln!("skipped: users may not make namespaces here");
        return;
    }
    let init = give_away(&image);
    let mut orders = image.script("true");
    orders.root = bencher_output_protocol::Root::Disk {
        device: "/dev/loop0".to_owned(),
    };
    let failed = Guest::start_as(NOBODY, &init, orders)
        .finish()
        .failed
        .unwrap();
    assert_eq!(failed.0, "use the ordered root file system");
    assert!(
        failed.1.contains("only root may mount a disk"),
        "{failed:?}"
    );
}
