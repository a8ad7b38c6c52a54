//! An image with nothing but the host's busybox.

use std::path::Path;

use test_support::programs::{find, missing, output, run};

/// Where it is in the image.
pub(crate) const BUSYBOX: &str = "/bin/busybox";

/// Makes an image in `folder` that runs `command`, and returns it as skopeo names it; `None` where this
/// machine has not what it takes, which is said.
pub(crate) fn image(folder: &Path, command: &[&str]) -> Option<String> {
    if missing(&["busybox", "umoci", "skopeo"]) {
        return None;
    }
    let busybox = find("busybox").expect("it is there");
    let busybox = busybox.to_str().expect("a text");
    // It fails where nothing is to be loaded.
    if output(folder, "ldd", &[busybox]).unwrap().status.success() {
        println!("skipped: no statically linked busybox on this machine");
        return None;
    }
    let umoci = |arguments: &[&str]| run(folder, "umoci", arguments).unwrap();
    umoci(&["init", "--layout", "image"]);
    umoci(&["new", "--image", "image:1"]);
    umoci(&["insert", "--image", "image:1", busybox, BUSYBOX]);
    let words = command.iter().flat_map(|word| ["--config.cmd", word]);
    let arguments: Vec<_> = ["config", "--image", "image:1"]
        .into_iter()
        .chain(words)
        .collect();
    umoci(&arguments);
    Some(format!("oci:{}:1", folder.join("image").display()))
}
