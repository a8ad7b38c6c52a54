use proptest::prelude::*;

use super::*;

/// A file system of these paths.
fn probe(paths: &[(&str, PathKind)]) -> impl Fn(&Path) -> Option<PathKind> {
    move |path| {
        paths
            .iter()
            .find(|(known, _)| Path::new(known) == path)
            .map(|&(_, kind)| kind)
    }
}

const HERE: &[(&str, PathKind)] = &[
    ("img", PathKind::Layout),
    ("/srv/a:b", PathKind::Layout),
    ("/srv/a", PathKind::Folder),
    ("dir", PathKind::Layout),
    ("plain", PathKind::Folder),
    ("x.tar", PathKind::File),
    ("two", PathKind::Layout),
    ("two:tag", PathKind::File),
];

fn parse(text: &str) -> Result<ImageReference, ReferenceError> {
    ImageReference::parse_with(OsStr::new(text), probe(HERE))
}

fn digest() -> Digest {
    Digest::sha256(b"")
}

#[test]
fn accepted() {
    let tag = |tag: &str| Selector::Tag(tag.to_owned());
    let layout = |path: &str| ImageSource::OciLayout(path.into());
    let by_digest = format!("img@{}", digest());
    let oci_by_digest = format!("oci:{by_digest}");
    for (text, source, selector) in [
        ("img", layout("img"), Selector::Only),
        ("img:v1", layout("img"), tag("v1")),
        ("oci:img", layout("img"), Selector::Only),
        ("oci:img:v1", layout("img"), tag("v1")),
        (
            "oci:img:docker.io/library/x:v1",
            layout("img"),
            tag("docker.io/library/x:v1"),
        ),
        (&by_digest, layout("img"), Selector::Manifest(digest())),
        (&oci_by_digest, layout("img"), Selector::Manifest(digest())),
        // A folder that is no layout does not make the longer path ambiguous.
        ("/srv/a:b", layout("/srv/a:b"), Selector::Only),
        ("/srv/a:b:c", layout("/srv/a:b"), tag("c")),
        // What is here wins over skopeo's other prefixes.
        ("dir:v1", layout("dir"), tag("v1")),
        // The image's reader says what is wrong with the folder.
        ("plain", layout("plain"), Selector::Only),
        (
            "x.tar",
            ImageSource::Archive("x.tar".into()),
            Selector::Only,
        ),
        ("x.tar:v1", ImageSource::Archive("x.tar".into()), tag("v1")),
        (
            "oci-archive:x.tar",
            ImageSource::OciArchive("x.tar".into()),
            Selector::Only,
        ),
        (
            "oci-archive:x.tar:v1",
            ImageSource::OciArchive("x.tar".into()),
            tag("v1"),
        ),
        (
            "docker-archive:x.tar:busybox:latest",
            ImageSource::DockerArchive("x.tar".into()),
            tag("busybox:latest"),
        ),
        (
            "docker-archive:x.tar:@1",
            ImageSource::DockerArchive("x.tar".into()),
            Selector::Position(1),
        ),
    ] {
        let reference = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            (reference.source(), reference.selector()),
            (&source, &selector),
            "{text}"
        );
        assert_eq!(reference.to_string(), text);
    }
}

#[test]
fn refused() {
    const GIVE: &str = "no such file or folder: give an OCI layout folder, an image archive (OCI \
                        or `docker save`) or `oci:DIR[:TAG]`";
    const PULL: &str = "no such file or folder here, and no such image in the store: fetch it with \
                        `runner pull ";
    let cases = [
        (
            "",
            "the image's name is empty: give an OCI layout folder, an image archive or \
             `oci:DIR[:TAG]`"
                .to_owned(),
        ),
        (
            "busybox:latest",
            format!("`busybox:latest`: {PULL}busybox:latest`"),
        ),
        ("ghcr.io/o/r", format!("`ghcr.io/o/r`: {PULL}ghcr.io/o/r`")),
        ("docker://busybox", format!("`busybox`: {PULL}busybox`")),
        ("docker:27", format!("`docker:27`: {PULL}docker:27`")),
        ("./busybox", format!("`./busybox`: {GIVE}")),
        ("/no/dir:tag", format!("`/no/dir`: {GIVE}")),
        ("image.tar", format!("`image.tar`: {GIVE}")),
        ("oci:nothing:v1", format!("`nothing`: {GIVE}")),
        ("oci:", format!("``: {GIVE}")),
        ("Not An Image", format!("`Not An Image`: {GIVE}")),
        (
            "docker-daemon:busybox:latest",
            "`docker-daemon:busybox:latest`: images in `docker-daemon:` are not supported: make a \
             local image with `skopeo copy docker-daemon:… oci:DIR` and give `oci:DIR`"
                .to_owned(),
        ),
        (
            "two:tag",
            "`two:tag`: this is both a path and a tag of `two`: rename one of the two".to_owned(),
        ),
        (
            "oci:x.tar",
            "`x.tar`: not a folder: an archive is given as `oci-archive:FILE`, or without a prefix"
                .to_owned(),
        ),
        (
            "oci-archive:img",
            "`img`: a folder, not an archive: a layout folder is given as `oci:DIR`, or without a \
             prefix"
                .to_owned(),
        ),
        (
            "img@sha256:1234",
            "`sha256:1234` is not a digest: expected 64 lower-case hexadecimal digits".to_owned(),
        ),
        (
            "docker-archive:x.tar:@x",
            "`@x` is not a position in the archive: write `:@0` for the first image".to_owned(),
        ),
    ];
    for (text, message) in cases {
        assert_eq!(parse(text).unwrap_err().to_string(), message, "{text}");
    }
    let text = format!("docker-archive:x.tar@{}", digest());
    assert_eq!(
        parse(&text).unwrap_err().to_string(),
        "a `docker save` archive has no manifest digests: choose the image with `:NAME` or `:@N`",
    );
}

#[test]
fn paths_that_are_not_utf8() {
    let text = OsStr::from_bytes(b"oci:\xff:v1");
    let reference = ImageReference::parse_with(text, |path| {
        (path.as_os_str().as_bytes() == b"\xff").then_some(PathKind::Layout)
    })
    .unwrap();
    let path = PathBuf::from(OsStr::from_bytes(b"\xff"));
    assert_eq!(reference.source(), &ImageSource::OciLayout(path));
    assert_eq!(reference.to_string(), "oci:\u{fffd}:v1");
    let missing = ImageReference::parse_with(text, |_| None).unwrap_err();
    assert!(
        missing.to_string().starts_with("`\u{fffd}`: no such file"),
        "{missing}"
    );
}

#[test]
fn the_real_file_system() {
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("layout");
    std::fs::create_dir(&layout).unwrap();
    std::fs::write(layout.join("index.json"), "{}").unwrap();
    let text = format!("{}:v1", layout.display());
    let reference = ImageReference::parse(OsStr::new(&text)).unwrap();
    assert_eq!(reference.source(), &ImageSource::OciLayout(layout.clone()));
    let archive = layout.join("index.json");
    let reference = ImageReference::parse(archive.as_os_str()).unwrap();
    assert_eq!(reference.source(), &ImageSource::Archive(archive));
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "(oci:|oci-archive:|docker-archive:|docker://|)[a-z:@/.]{0,12}|.*") {
        let known: PathKind = PathKind::Layout;
        for probe in [None, Some(known), Some(PathKind::File), Some(PathKind::Folder)] {
            let result = ImageReference::parse_with(OsStr::new(&text), |path| {
                (path.as_os_str().len() % 3 == 0).then_some(probe).flatten()
            });
            if let Ok(reference) = result {
                let path = match reference.source() {
                    ImageSource::OciLayout(path)
                    | ImageSource::OciArchive(path)
                    | ImageSource::DockerArchive(path)
                    | ImageSource::Archive(path) => path,
                };
                // The path that was found is part of the text.
                prop_assert!(text.contains(path.to_str().unwrap()));
            }
        }
    }
}
