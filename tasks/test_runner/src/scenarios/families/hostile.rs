//! Images that mean harm do none.

use std::path::Path;

use crate::scenarios::backend::On;
use crate::scenarios::expect::Expect;
use crate::scenarios::image::Image;
use crate::scenarios::invocation::Invocation;
use crate::scenarios::scenario::Scenario;
use crate::scenarios::stage::Stage;

/// Where the hostile images try to write.
const BY_PATH: &str = "/tmp/scenario-escaped-by-path";
const BY_LINK: &str = "/tmp/scenario-escaped-by-link";

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
            record.is(
                Expect::failure("the machine ended before the command's result was complete")
                    .stdout("before\n"),
            )
        },
    )
    .on(On::Machines),
    Scenario::driven(
        "hostile_image_paths",
        "a layer whose paths climb out of the image is refused and writes nothing outside",
        |stage| tried(stage, &mut Invocation::new(), BY_PATH),
        |record| {
            record.saw("it was there before", false)?;
            record.saw("it is there after", false)?;
            record.is(Expect::refused(""))
        },
    )
    .image(Image::HostilePaths),
    Scenario::driven(
        "hostile_image_links",
        "a layer that writes through its own links writes nothing outside",
        |stage| tried(stage, &mut Invocation::new(), BY_LINK),
        |record| {
            record.saw("it was there before", false)?;
            record.saw("it is there after", false)?;
            record.is(Expect::refused(""))
        },
    )
    .image(Image::HostileLinks),
];

/// Runs the image and looks for what it tried to write.
fn tried(stage: &mut Stage<'_>, invocation: &mut Invocation, path: &str) -> anyhow::Result<()> {
    let target = Path::new(path);
    stage.observe("it was there before", target.exists());
    stage.run(invocation)?;
    stage.observe("it is there after", target.exists());
    Ok(())
}
