//! The root filesystem is what the image says, in content and in everything else.

use serde_json::Value;

use crate::scenarios::expect::Expect;
use crate::scenarios::image::Image;
use crate::scenarios::scenario::Scenario;
use crate::scenarios::surroundings::Need;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "multi_layer_image",
        "upper layers add to and replace what lower ones have",
        |run| {
            run.script("cd /data; cat kept replaced emptied/new type/inner folder");
        },
        |record| {
            record.is(Expect::exit(0)
                .stdout("lower kept\nupper replaced\nupper new\nupper type\nupper folder\n")
                .field_that("/image/diff_ids", "a layer for each instruction", |value| {
                    value.as_array().map_or(0, Vec::len) >= 8
                }))
        },
    )
    .image(Image::Layers),
    Scenario::new(
        "whiteouts",
        "what an upper layer removes is gone, a whole folder too",
        |run| {
            run.script("cd /data; find . | sort");
        },
        |record| {
            record.is(Expect::exit(0).stdout(
                ".\n./emptied\n./emptied/new\n./folder\n./kept\n./replaced\n./type\n./type/inner\n",
            ))
        },
    )
    .image(Image::Layers),
    Scenario::new(
        "image_with_symlinks",
        "symbolic links lead where they say, and are kept as they are",
        |run| {
            run.script(
                "cd /links; for link in relative absolute chain folder deep/er/up dangling above; \
                 do echo $link: $(readlink $link); done; \
                 cat relative absolute chain folder/inner deep/er/up above; \
                 test -e dangling || echo nothing there",
            );
        },
        |record| {
            record.is(Expect::exit(0).stdout(
                "relative: file\nabsolute: /links/file\nchain: relative\nfolder: deep/er\n\
                 deep/er/up: ../../file\ndangling: /no/such/file\nabove: ../../../../links/file\n\
                 content\ncontent\ncontent\ninside\ncontent\ncontent\nnothing there\n",
            ))
        },
    )
    .image(Image::Links),
    Scenario::new(
        "hardlinks",
        "names of one file stay names of one file",
        |run| {
            run.script(
                "cd /hard; stat -c '%n %h' first second third other; \
                 [ $(stat -c %i first) = $(stat -c %i third) ] && echo one inode; \
                 echo changed >second; cat first third",
            );
        },
        |record| {
            record.is(Expect::exit(0)
                .stdout("first 3\nsecond 3\nthird 3\nother 1\none inode\nchanged\nchanged\n"))
        },
    )
    .image(Image::Links),
    Scenario::new(
        "file_content_preserved",
        "bytes of any value in a file of the image are read back",
        |run| {
            run.command(["cat", "/kept/content"]);
        },
        |record| record.is(Expect::exit(0).stdout(b"a\0b\xff\n")),
    )
    .image(Image::Metadata),
    Scenario::new(
        "file_permissions_preserved",
        "modes of files are kept, setuid and setgid bits too",
        |run| {
            run.script("cd /kept; stat -c '%n %a' content secret program setuid setgid");
        },
        |record| {
            record.is(Expect::exit(0)
                .stdout("content 644\nsecret 600\nprogram 755\nsetuid 4755\nsetgid 2755\n"))
        },
    )
    .image(Image::Metadata),
    Scenario::new(
        "file_ownership_preserved",
        "owners and groups are kept, beyond 16 bits too",
        |run| {
            run.script("cd /kept; stat -c '%n %u:%g' content owned far");
        },
        |record| {
            let expect = Expect::exit(0);
            record.is(expect.stdout("content 0:0\nowned 1000:1001\nfar 70000:80000\n"))
        },
    )
    .image(Image::Metadata)
    .needs(&[Need::RootOnHost]),
    Scenario::new(
        "file_times_preserved",
        "the time of a file's last change is kept",
        |run| {
            run.command(["stat", "-c", "%Y", "/kept/dated"]);
        },
        // 2001-02-03 04:05:06 UTC.
        |record| record.is(Expect::exit(0).stdout("981173106\n")),
    )
    .image(Image::Metadata),
    Scenario::new(
        "directory_permissions_preserved",
        "modes and owners of folders are kept, sticky and setgid bits too",
        |run| {
            run.script("cd /kept; stat -c '%n %a %u:%g' private sticky group");
        },
        |record| {
            let expect = Expect::exit(0);
            record.is(expect.stdout("private 700 0:0\nsticky 1777 0:0\ngroup 2775 5:6\n"))
        },
    )
    .image(Image::Metadata)
    .needs(&[Need::RootOnHost]),
    Scenario::new(
        "file_xattr_preserved",
        "an extended attribute of a file is kept",
        |run| {
            run.command([
                "getfattr",
                "--absolute-names",
                "-n",
                "user.note",
                "/kept/noted",
            ]);
        },
        |record| {
            let expect = Expect::exit(0);
            record.is(expect.stdout("# file: /kept/noted\nuser.note=\"kept as it is\"\n\n"))
        },
    )
    .image(Image::Metadata)
    .needs(&[Need::Xattrs]),
    Scenario::new(
        "file_capability_preserved",
        "a capability of a program is kept bit for bit",
        |run| {
            run.script(
                "exec getfattr --absolute-names -e hex -n security.capability /kept/capable",
            );
        },
        |record| {
            record.is(Expect::exit(0).stdout(
                "# file: /kept/capable\n\
                 security.capability=0x0100000200200000000000000000000000000000\n\n",
            ))
        },
    )
    .image(Image::Metadata)
    .needs(&[Need::RootOnHost]),
    Scenario::new(
        "distroless_glibc_image",
        "a dynamically linked program runs in an image without a shell",
        |_| {},
        |record| record.is(Expect::exit(0).stdout("Hello, world!\n")),
    )
    .image(Image::Distroless),
    Scenario::new(
        "static_binary_scratch_image",
        "a static program runs in an image that holds nothing else",
        |_| {},
        |record| {
            record.is(Expect::exit(0)
                .stdout("one static program\n")
                .field("/iterations/0/error", Value::Null))
        },
    )
    .image(Image::Static),
];
