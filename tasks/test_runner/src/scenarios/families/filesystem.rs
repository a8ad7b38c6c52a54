//! The root filesystem can be written to, as far as its size goes.

use crate::scenarios::backend::On;
use crate::scenarios::expect::Expect;
use crate::scenarios::scenario::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "writable_filesystem",
        "files can be made, changed, moved and removed",
        |run| {
            run.script(
                "mkdir /made && echo one >/made/file && echo two >>/made/file && \
                 mv /made/file /made/moved && cat /made/moved && rm -r /made && \
                 test ! -e /made && echo gone",
            );
        },
        |record| record.is(Expect::exit(0).stdout("one\ntwo\ngone\n")),
    ),
    Scenario::new(
        "rootfs_writable",
        "what the image brought can be replaced",
        |run| {
            run.script("echo mine >/etc/passwd && cat /etc/passwd && rm /bin/busybox && echo done");
        },
        |record| record.is(Expect::exit(0).stdout("mine\ndone\n")),
    ),
    Scenario::new(
        "disk_limit_enforced",
        "the root filesystem has the size that was asked for, and not more can be written",
        |run| {
            run.options(["--disk", "24"]).script(
                "cat /dev/zero >/large 2>/dev/null; [ $(stat -c %s /large) -lt 25165824 ] && \
                 [ $(stat -c %s /large) -gt 8388608 ] && echo within",
            );
        },
        |record| {
            record.is(Expect::exit(0)
                .stdout("within\n")
                .field("/machine/disk_bytes", 24 << 20))
        },
    )
    .on(On::Machines),
    Scenario::new(
        "disk_full_reported",
        "a full disk is the command's own error",
        |run| {
            run.options(["--disk", "24"])
                .script("cat /dev/zero >/large");
        },
        |record| record.is(Expect::exit(1).stderr("cat: write error: No space left on device\n")),
    )
    .on(On::Machines),
];
