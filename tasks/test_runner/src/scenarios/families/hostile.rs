//! Images that mean harm do none.

use std::path::Path;

use crate::scenarios::backend::On;
use crate::scenarios::expect::Expect;
use crate::scenarios::image::Image;
use crate::scenarios::invocation::Invocation;
use crate::scenarios::scenario::Scenario;
use crate::scenarios::stage::Stage;

/// Where the hostile images try to write.
const BY_PATH: &[&str] = &["/tmp/scenario-escaped-by-path"];
const BY_LINK: &[&str] = &[
    "/tmp/scenario-escaped-by-absolute-link",
    "/tmp/scenario-escaped-by-relative-link",
];

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "hostile_guest_frames",
        "garbage on the guest's devices does not reach the result",
        |run| {
            run.script("echo before; attack; echo after");
        },
        |record| {
            let expect = Expect::exit(0);
            record.is(expect.stdout("before\nfound the way to the host\nafter\n"))
        },
    )
    .image(Image::HostileGuest)
    .on(On::Machines),
    Scenario::new(
        "hostile_guest_cuts_the_stream",
        "a guest that takes its own devices away is an error of one line, with what came before",
        |run| {
            run.script(
                "echo before; cd /sys/bus/virtio/drivers; \
                 for driver in virtio_console vmw_vsock_virtio_transport; do \
                 for device in $driver/virtio*; do \
                 test -e $device && echo ${device##*/} >$driver/unbind; done; done; \
                 exec sleep 1000",
            );
        },
        |record| {
            record.is(Expect::failure(
                "the machine ended before the command's result was complete (…",
            )
            .stdout("before\n"))
        },
    )
    .on(On::Machines),
    Scenario::driven(
        "hostile_image_paths",
        "a layer whose paths climb out of the image is refused and writes nothing outside",
        |stage| tried(stage, BY_PATH),
        |record| {
            record.saw("it was there before", false)?;
            record.saw("it is there after", false)?;
            record.is(Expect::refused(
                "failed to unpack layer …: the path leads out of the root filesystem",
            ))
        },
    )
    .image(Image::HostilePaths),
    Scenario::driven(
        "hostile_image_links",
        "a layer that writes through its own links writes nothing outside",
        |stage| tried(stage, BY_LINK),
        |record| {
            record.saw("it was there before", false)?;
            record.saw("it is there after", false)?;
            // Links lead where they lead in the image.
            record.is(Expect::exit(0).stdout(
                "from an absolute path\ntmp/scenario-escaped-by-absolute-link\n\
                 tmp/scenario-escaped-by-relative-link\n",
            ))
        },
    )
    .image(Image::HostileLinks),
];

/// Runs the image and looks for what it tried to write.
fn tried(stage: &mut Stage<'_>, paths: &[&str]) -> anyhow::Result<()> {
    let is_there = || paths.iter().any(|path| Path::new(path).exists());
    let mut invocation = Invocation::new();
    // The image has BusyBox and nothing else.
    invocation.command([
        "/bin/busybox",
        "sh",
        "-c",
        "cd /; busybox=/bin/busybox; $busybox cat rooted; \
         $busybox find absolute relative tmp -name 'scenario*' | $busybox sort",
    ]);
    stage.observe("it was there before", is_there());
    stage.run(&invocation)?;
    stage.observe("it is there after", is_there());
    Ok(())
}
