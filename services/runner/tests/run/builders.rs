//! Images by the programs that people make them with, down to the files in the root filesystem.

use std::fs;
use std::path::Path;

use test_support::{Buildah, programs};

use crate::support::{Runner, no_image, skip};

/// What this needs and the machine has not.
fn missing(wanted: &[&str]) -> bool {
    if !nix::unistd::geteuid().is_root() {
        return skip(Some("only root can build images and mount them"));
    }
    programs::missing(wanted) || no_image()
}

#[track_caller]
fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    programs::run(folder, program, arguments).unwrap()
}

/// Every field of every file, and what is in it.
fn listing(root: &Path) -> String {
    let script = "
        names() { find . -path ./lost+found -prune -o \"$@\" -print0 | sort -z; }
        find . -mindepth 1 -path ./lost+found -prune -o \
            -mindepth 1 -printf '%P %y %m %U:%G %n %T@ %l\\n' | sort
        names -type f | xargs -0 -r sha256sum
        names -mindepth 1 | xargs -0 -r getfattr -h -d -m -";
    run(root, "sh", &["-c", script])
}

/// A mount that ends with this value.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn new(image: &Path, root: &'a Path) -> Self {
        fs::create_dir_all(root).unwrap();
        let (image, target) = (image.to_str().unwrap(), root.to_str().unwrap());
        run(root, "mount", &["-o", "loop,ro,noatime", image, target]);
        Self(root)
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        run(Path::new("/"), "umount", &["-l", self.0.to_str().unwrap()]);
    }
}

/// The files in the root filesystem that the runner makes of an image.
fn files_of(image: &str, folder: &Path) -> String {
    let out = folder.join("image.ext4");
    let runner = Runner::new();
    let mut command = runner.command();
    command.args([
        "rootfs", "build", "--disk", "128MiB", "--image", image, "--out",
    ]);
    let output = command.arg(&out).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    run(folder, "e2fsck", &["-fn", out.to_str().unwrap()]);
    let root = folder.join("root");
    let mounted = Mounted::new(&out, &root);
    let listing = listing(&root);
    drop(mounted);
    fs::remove_file(&out).unwrap();
    listing
}

/// Each step takes back or replaces something of the one before.
const STEPS: &str = "FROM scratch
COPY busybox /bin/busybox
COPY busybox /bin/sh
RUN /bin/busybox --install -s /bin
RUN mkdir -p /d/sub /opaque /gone && echo one >/d/one && echo two >/d/sub/two \
    && echo old >/opaque/old && echo x >/gone/x && ln /d/one /d/hard && mkfifo /d/fifo
RUN rm /d/one && rm -r /gone && rm -r /opaque && mkdir /opaque && echo new >/opaque/new
RUN rm -r /d/sub && ln -s /opaque /d/sub && echo through >/d/sub/link
RUN echo back >/gone && chmod 4755 /d/hard && chown 1000:2000 /opaque/new && chmod 1777 /opaque
RUN rm /gone && mkdir /gone && chmod 700 /gone && touch -d @1 /gone
ENTRYPOINT [\"/bin/sh\"]
";

#[test]
fn what_buildah_builds_and_skopeo_copies_has_buildahs_files() {
    if missing(&["buildah", "skopeo", "mount", "getfattr"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let busybox = bencher_runner::paths::find_program("busybox").unwrap();
    fs::copy(busybox, root.join("busybox")).unwrap();
    fs::write(root.join("Dockerfile"), STEPS).unwrap();
    let buildah = Buildah::new(root);
    let options = ["--layers", "--isolation", "chroot", "-t", "made"];
    if !buildah.can_build(&options).unwrap() {
        return;
    }
    let checked = |arguments: &[&str]| buildah.run(arguments).unwrap();
    let container = checked(&["from", "--name", "seen", "made"]);
    let expected = listing(Path::new(&checked(&["mount", &container])));
    assert!(expected.contains("d/sub l "), "{expected}");
    checked(&["umount", &container]);

    checked(&["push", "-q", "made", "oci:oci:v1"]);
    checked(&[
        "push",
        "-q",
        "--format",
        "v2s2",
        "made",
        "docker-archive:saved.tar:made:v1",
    ]);
    checked(&["push", "-q", "made", "oci-archive:oci.tar:v1"]);
    for (options, target) in [
        (&[][..], "oci:copy:v1"),
        (&["--dest-compress-format", "zstd"], "oci:zstd:v1"),
        (
            &["--dest-compress-format", "zstd:chunked"],
            "oci:chunked:v1",
        ),
        (&[], "oci-archive:copy.tar:v1"),
        (&[], "docker-archive:copied.tar:made:v1"),
    ] {
        let copy = [&["copy", "-q"], options, &["oci:oci:v1", target]].concat();
        run(root, "skopeo", &copy);
    }
    run(root, "gzip", &["-k", "saved.tar"]);
    for name in [
        "oci:{}/oci:v1",
        "docker-archive:{}/saved.tar",
        "{}/saved.tar.gz",
        "oci-archive:{}/oci.tar",
        "oci:{}/copy:v1",
        "oci:{}/zstd:v1",
        "oci:{}/chunked:v1",
        "{}/copy.tar",
        "{}/copied.tar",
    ] {
        let found = files_of(&name.replace("{}", root.to_str().unwrap()), root);
        assert!(
            found == expected,
            "{name}: {found}\nand buildah has: {expected}"
        );
    }
    checked(&["rm", &container]);
}

#[test]
fn what_umoci_repacks_has_umocis_files() {
    if missing(&["umoci", "mount", "getfattr"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    run(root, "umoci", &["init", "--layout", "made"]);
    run(root, "umoci", &["new", "--image", "made:v0"]);
    // Three layers, each the difference that a step has made.
    for (number, step) in [
        "mkdir -p d/sub opaque && echo one >d/one && ln d/one d/hard && echo two >d/sub/two \
         && echo old >opaque/old && ln -s ../opaque d/link && setfattr -n user.x -v y d/one \
         && chown 7:8 d/one && chmod 4755 d/one",
        "rm -r d/sub && echo file >d/sub && rm -r opaque && mkdir opaque && echo new >opaque/new",
        "rm d/sub d/one && mkdir d/sub && chmod 1777 d/sub && echo back >d/one",
    ]
    .into_iter()
    .enumerate()
    {
        let [from, to] = [number, number + 1].map(|number| format!("made:v{number}"));
        run(root, "umoci", &["unpack", "--image", &from, "bundle"]);
        run(&root.join("bundle/rootfs"), "sh", &["-c", step]);
        run(root, "umoci", &["repack", "--image", &to, "bundle"]);
        run(root, "rm", &["-r", "bundle"]);
    }
    run(root, "umoci", &["unpack", "--image", "made:v3", "bundle"]);
    let expected = listing(&root.join("bundle/rootfs"));
    assert!(
        expected.contains("d/link l ") && expected.contains("user.x="),
        "{expected}"
    );
    let found = files_of(&format!("oci:{}/made:v3", root.display()), root);
    assert!(found == expected, "{found}\nand umoci has: {expected}");
}
