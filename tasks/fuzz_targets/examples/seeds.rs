//! Writes the seeds that the fuzz targets start from: small valid inputs of every kind.
//!
//! `cargo run -p fuzz_targets --example seeds`. Those of `ext4` and `merge` were found by the fuzzer.

use std::fs;
use std::io;
use std::path::Path;

use bencher_output_protocol::{
    ExitReport, ExitStatus, FileBegin, GuestMessage, HostMessage, Layouts, Limits, LogLevel,
    Network, Orders, Resources, Root, Stop,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let put = |target: &str, name: &str, bytes: &[u8]| -> io::Result<()> {
        let folder = seeds.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)
    };
    for (name, messages) in guest_conversations() {
        // The first byte is the size of the pieces.
        let mut stream = vec![6];
        for message in messages {
            stream.extend(message.encode()?);
        }
        put("guest_frames", name, &stream)?;
    }
    let mut stream = Vec::new();
    for message in host_messages() {
        stream.extend(message.encode()?);
    }
    put("host_frames", "orders-and-stop", &stream)?;
    put("tar", "every-kind", &layer()?)?;
    put("tar", "sparse-and-global", &extended_layer()?)?;
    put("archive_index", "layout", &archive()?)?;
    for (name, text) in DOCUMENTS {
        put("documents", name, text.as_bytes())?;
    }
    for (name, text) in MESSAGES {
        put("channel_messages", name, text.as_bytes())?;
    }
    for (number, text) in REFERENCES.iter().enumerate() {
        let mut input = vec![u8::try_from(number)?];
        input.extend(text.as_bytes());
        put("image_reference", &number.to_string(), &input)?;
    }
    Ok(())
}

fn guest_conversations() -> Vec<(&'static str, Vec<GuestMessage<'static>>)> {
    let hello = GuestMessage::Hello {
        boot_nanoseconds: 1_234_567_890,
        kernel_release: "6.1.0-1-cloud-amd64",
    };
    let exited = |status| {
        GuestMessage::Exited(ExitReport {
            status,
            resources: Resources {
                cpu_microseconds: Some(5),
                memory_peak_bytes: Some(1 << 20),
                ..Resources::default()
            },
            stdout_bytes: 3,
            stderr_bytes: 3,
        })
    };
    let complete = vec![
        hello.clone(),
        GuestMessage::Log {
            level: LogLevel::Info,
            text: "mounted",
        },
        GuestMessage::Started {
            boot_nanoseconds: 2_000_000_000,
        },
        GuestMessage::Stdout(b"out"),
        GuestMessage::Stderr(b"err"),
        exited(ExitStatus::Exited(0)),
        GuestMessage::FileBegin(FileBegin {
            path: b"/results.json",
            mode: 0o644,
            size: 4,
            sent: 2,
        }),
        GuestMessage::FileData(b"{}"),
        GuestMessage::FileEnd,
        GuestMessage::FileMissing {
            path: b"/nothing",
            reason: "no such file",
        },
        GuestMessage::Done,
    ];
    let not_found = vec![
        hello.clone(),
        exited(ExitStatus::NotFound("no such command".to_owned())),
        GuestMessage::Done,
    ];
    let failed = vec![
        hello,
        GuestMessage::Failed {
            stage: "mount the root filesystem",
            reason: "no such device",
        },
    ];
    vec![
        ("complete", complete),
        ("not-found", not_found),
        ("failed", failed),
    ]
}

fn host_messages() -> Vec<HostMessage> {
    let orders = Orders {
        root: Root::Disk {
            device: "/dev/vda".to_owned(),
        },
        hostname: "runner".to_owned(),
        arguments: vec![b"echo".to_vec(), b"hello".to_vec()],
        environment: vec![b"PATH=/bin".to_vec()],
        working_directory: b"/".to_vec(),
        user: "1000:users".to_owned(),
        stop_signal: 15,
        outputs: vec![b"/results.json".to_vec()],
        limits: Limits {
            output_bytes: 1 << 30,
            file_count: 10,
            file_bytes: 1 << 20,
            total_file_bytes: 1 << 22,
        },
        log_level: LogLevel::Warning,
        network: Some(Network {
            address: [198, 18, 0, 2].into(),
            prefix: 30,
            gateway: [198, 18, 0, 1].into(),
            name_servers: vec![[192, 0, 2, 53].into()],
        }),
        layouts: Layouts::Random,
    };
    vec![
        HostMessage::Hello,
        HostMessage::Orders(Box::new(orders)),
        HostMessage::Stop(Stop {
            grace_milliseconds: 10_000,
        }),
    ]
}

fn header(kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o4755);
    header.set_uid(1000);
    header.set_gid(1000);
    header.set_mtime(1_700_000_000);
    header
}

/// A layer with an entry of every kind, long names, PAX records and whiteouts.
fn layer() -> io::Result<Vec<u8>> {
    use tar::EntryType;
    let mut layer = tar::Builder::new(Vec::new());
    layer.append_data(&mut header(EntryType::Directory, 0), "etc/", io::empty())?;
    layer.append_data(&mut header(EntryType::Regular, 3), "etc/name", &b"abc"[..])?;
    layer.append_link(&mut header(EntryType::Link, 0), "etc/other", "etc/name")?;
    layer.append_link(&mut header(EntryType::Symlink, 0), "etc/link", "../name")?;
    layer.append_data(&mut header(EntryType::Fifo, 0), "etc/fifo", io::empty())?;
    let mut device = header(EntryType::Char, 0);
    device.set_device_major(5)?;
    device.set_device_minor(1)?;
    layer.append_data(&mut device, "dev/console", io::empty())?;
    layer.append_data(
        &mut header(EntryType::Regular, 0),
        "etc/.wh.gone",
        io::empty(),
    )?;
    layer.append_data(
        &mut header(EntryType::Regular, 0),
        "var/.wh..wh..opq",
        io::empty(),
    )?;
    layer.append_pax_extensions([
        ("path", &b"usr/\xff"[..]),
        ("mtime", b"-1.5"),
        ("uid", b"4000000000"),
        ("SCHILY.xattr.user.key", b"a\nb=\0"),
        (
            "SCHILY.acl.access",
            b"user::rwx,user:7:r--,group::r-x,mask::r-x,other::---",
        ),
    ])?;
    layer.append_data(&mut header(EntryType::Regular, 1), "x", &b"y"[..])?;
    let mut long = tar::Header::new_gnu();
    long.set_size(0);
    long.set_mode(0o644);
    layer.append_data(&mut long, "n".repeat(300), io::empty())?;
    layer.into_inner()
}

/// A global header and a sparse file in the PAX format 1.0.
fn extended_layer() -> io::Result<Vec<u8>> {
    use tar::EntryType;
    let mut layer = tar::Builder::new(Vec::new());
    let global = b"19 comment=nothing\n";
    let mut head = header(EntryType::XGlobalHeader, global.len() as u64);
    head.set_path("pax_global_header")?;
    head.set_cksum();
    layer.append(&head, &global[..])?;
    layer.append_pax_extensions([
        ("GNU.sparse.major", &b"1"[..]),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"holes"),
        ("GNU.sparse.realsize", b"1048576"),
    ])?;
    let mut contents = b"1\n65536\n4\n".to_vec();
    contents.resize(512, 0);
    contents.extend(b"data");
    let size = contents.len() as u64;
    layer.append_data(
        &mut header(EntryType::Regular, size),
        "GNUSparseFile.0/holes",
        &*contents,
    )?;
    layer.into_inner()
}

/// An image archive: an OCI layout without its blobs.
fn archive() -> io::Result<Vec<u8>> {
    use tar::EntryType;
    let mut archive = tar::Builder::new(Vec::new());
    for (path, text) in [
        ("oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}"),
        ("index.json", DOCUMENTS[0].1),
    ] {
        let size = text.len() as u64;
        archive.append_data(&mut header(EntryType::Regular, size), path, text.as_bytes())?;
    }
    let blob = "blobs/sha256/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    archive.append_data(&mut header(EntryType::Regular, 0), blob, io::empty())?;
    archive.append_link(
        &mut header(EntryType::Symlink, 0),
        "a/layer.tar",
        "../index.json",
    )?;
    archive.into_inner()
}

const DOCUMENTS: [(&str, &str); 8] = [
    (
        "index",
        r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":2,"platform":{"os":"linux","architecture":"arm64","variant":"v8"},"annotations":{"org.opencontainers.image.ref.name":"latest"}}]}"#,
    ),
    (
        "manifest",
        r#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.docker.container.image.v1+json","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+zstd","digest":"sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e","size":12}]}"#,
    ),
    (
        "config",
        r#"{"os":"linux","architecture":"amd64","config":{"Entrypoint":["/bin/sh","-c"],"Cmd":null,"Env":["PATH=/bin","A="],"WorkingDir":"/a/../b","User":"1000:users","StopSignal":"SIGRTMIN+3","Labels":{"a":"b"}},"rootfs":{"type":"layers","diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]},"history":[{"created_by":"x","empty_layer":true}]}"#,
    ),
    (
        "docker-save",
        r#"[{"Config":"abc.json","RepoTags":["busybox:latest"],"Layers":["abc/layer.tar"]}]"#,
    ),
    ("user", "name:0"),
    ("signal", "SIGTERM"),
    ("platform", "linux/arm64/v8"),
    (
        "digest",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ),
];

const REFERENCES: [&str; 8] = [
    "oci:/images/busybox:latest",
    "oci-archive:image.tar:tag",
    "docker-archive:save.tar:busybox:1.36",
    "docker://registry.example/a/b:c@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "./folder:with:colons",
    "busybox",
    "oci:",
    "docker-archive:save.tar:@0",
];

const MESSAGES: [(&str, &str); 7] = [
    (
        "job",
        r#"{"event":"job","uuid":"3c5ad7a1-6b6a-4a56-a1ee-1c4d3b3f2a10","spec":{"uuid":"7ad4d9f1-4f5b-4f3c-8f5e-0e3a1c2b4d5f","name":"Small","slug":"small","os":"linux","architecture":"x86_64","sandbox":null,"cpu":2,"memory":4294967296,"disk":10737418240,"network":false,"fallback":null,"created":"2026-11-29T12:00:00Z","modified":"2026-11-29T12:00:00Z"},"config":{"registry":"http://localhost:61016/","project":"11111111-2222-4333-8444-555555555555","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","entrypoint":["/bin/sh","-c"],"cmd":["true"],"env":{"A":"b"},"timeout":60,"file_paths":["/r.json"],"build_time":true,"file_size":false,"average":"mean","iter":3,"fold":"min","allow_failure":true},"oci_token":"t","timeout":60,"created":"2026-11-29T12:00:00Z","live_output":true}"#,
    ),
    (
        "ack",
        r#"{"event":"ack","job":"3c5ad7a1-6b6a-4a56-a1ee-1c4d3b3f2a10"}"#,
    ),
    (
        "update",
        r#"{"event":"update","version":"0.2.0","url":"https://example.com/runner","checksum":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}"#,
    ),
    (
        "ready",
        r#"{"event":"ready","poll_timeout":30,"runner":{"os":"linux","arch":"aarch64","version":"1","channel":"canary","live_output":true}}"#,
    ),
    (
        "completed",
        r#"{"event":"completed","job":"3c5ad7a1-6b6a-4a56-a1ee-1c4d3b3f2a10","results":[{"exit_code":0,"stdout":"out\n","stderr":"\u001b[31m","output":{"\u0000bencher":"{}","/r":"x"}},{"exit_code":-1}]}"#,
    ),
    (
        "failed",
        r#"{"event":"failed","job":"3c5ad7a1-6b6a-4a56-a1ee-1c4d3b3f2a10","results":[],"error":"no image"}"#,
    ),
    (
        "output",
        r#"{"event":"output","job":"3c5ad7a1-6b6a-4a56-a1ee-1c4d3b3f2a10","iteration":0,"stream":"stderr","text":"x"}"#,
    ),
];
