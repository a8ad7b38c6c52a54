//! `runner inspect` and `runner save`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cache::image;
use crate::support::{Cache, Image, Ran, digest};

const LAYERS: [&[u8]; 2] = [b"the first layer", b"the second layer"];

/// The same image in each form, and how it is called there.
fn forms(cache: &Cache, folder: &TempDir) -> (Image, Vec<String>) {
    let layout = image(&LAYERS);
    let path = layout.path().to_str().unwrap().to_owned();
    let archive = folder.path().join("archive.tar");
    cache
        .run(&["save", &path, archive.to_str().unwrap()])
        .exits(0);
    cache.add(layout.path(), "example.com/it:1").exits(0);
    let id = cache.run(&["inspect", "--json", &path]).exits(0).json();
    let manifest = id["manifest"]["digest"].as_str().unwrap();
    let forms = vec![
        format!("oci:{path}"),
        format!("{path}@{manifest}"),
        format!("oci-archive:{}", archive.display()),
        archive.display().to_string(),
        "example.com/it:1".to_owned(),
        format!("example.com/it@{manifest}"),
        manifest.to_owned(),
        manifest["sha256:".len()..][..12].to_owned(),
    ];
    (layout, forms)
}

fn save(cache: &Cache, name: &str, file: &Path) -> Ran {
    cache.run(&["save", name, file.to_str().unwrap()])
}

#[test]
fn every_form_of_an_image_is_the_same_image() {
    let cache = Cache::new();
    let folder = tempfile::tempdir().unwrap();
    let (layout, forms) = forms(&cache, &folder);
    let path = layout.path().to_str().unwrap();
    let mut expected = cache.run(&["inspect", "--json", path]).exits(0).json();
    assert_eq!(expected["command"]["cmd"], json!(["/hello"]));
    assert_eq!(expected["layers"][1]["digest"], json!(digest(LAYERS[1])));
    assert_eq!(expected["layers"][1]["size_bytes"], LAYERS[1].len());
    assert_eq!(
        expected["layers"][0]["media_type"],
        "application/vnd.oci.image.layer.v1.tar"
    );
    let own = |document: &mut Value| {
        document["reference"] = Value::Null;
        document["name"].take()
    };
    own(&mut expected);
    for form in forms {
        let mut found = cache.run(&["inspect", "--json", &form]).exits(0).json();
        assert_eq!(found["reference"], form.as_str());
        own(&mut found);
        assert_eq!(found, expected, "{form}");
    }
}

#[test]
fn an_archive_of_docker_is_shown_and_saved_with_a_manifest_of_its_own() {
    let cache = Cache::new();
    let folder = tempfile::tempdir().unwrap();
    let layout = image(&LAYERS[..1]);
    let docker = layout.docker_archive();
    let name = docker.path().to_str().unwrap();
    let shown = cache.run(&["inspect", "--json", name]).exits(0).json();
    assert_eq!(shown["name"], "it:latest");
    assert_eq!(shown["manifest"], Value::Null);
    assert_eq!(shown["layers"][0]["digest"], Value::Null);
    assert_eq!(shown["layers"][0]["diff_id"], json!(digest(LAYERS[0])));
    let (first, second) = (folder.path().join("1.tar"), folder.path().join("2.tar"));
    save(&cache, name, &first).exits(0);
    save(&cache, name, &second).exits(0);
    assert!(fs::read(&first).unwrap() == fs::read(&second).unwrap());
    let saved = first.to_str().unwrap();
    let shown = cache.run(&["inspect", "--json", saved]).exits(0).json();
    assert_eq!(shown["name"], "it:latest");
    assert_eq!(shown["layers"][0]["digest"], json!(digest(LAYERS[0])));
    // What is saved and what is added are the same image.
    cache.add(docker.path(), "it").exits(0);
    let stored = cache.run(&["inspect", "--json", "it"]).exits(0).json();
    assert_eq!(stored["manifest"], shown["manifest"]);
}

#[test]
fn what_people_read_says_it_all_and_steers_no_terminal() {
    let cache = Cache::new();
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-01-01T00:00:00Z",
        "config": {
            "Entrypoint": ["/bin/sh", "-c"],
            "Env": ["PATH=/bin", "EVIL=\u{1b}[2Jx"],
            "WorkingDir": "/work",
            "User": "bench",
            "StopSignal": "SIGINT",
            "Labels": {"a": "b\nmanifest     forged"},
        },
        "rootfs": {"type": "layers", "diff_ids": [digest(LAYERS[0])]},
    });
    let image = Image::of(&config, &[LAYERS[0].to_vec()]);
    let path = image.path().to_str().unwrap();
    let ran = cache.run(&["inspect", path]).exits(0);
    let rows: Vec<_> = ran.text().lines().collect();
    for row in [
        "platform     linux/amd64",
        "created      2026-01-01T00:00:00Z",
        r#"entrypoint   ["/bin/sh", "-c"]"#,
        "env          PATH=/bin",
        "env          EVIL= [2Jx",
        "working dir  /work",
        "user         bench",
        "stop signal  SIGINT",
        "label        a=b manifest     forged",
        "size         15 B",
    ] {
        assert!(rows.contains(&row), "{row} is not in\n{}", ran.text());
    }
    assert!(!ran.text().contains('\x1b'));
    let manifests = rows.iter().filter(|row| row.starts_with("manifest "));
    assert_eq!(manifests.count(), 1);
}

#[test]
fn the_same_image_is_saved_as_the_same_bytes() {
    let cache = Cache::new();
    let folder = tempfile::tempdir().unwrap();
    let (layout, forms) = forms(&cache, &folder);
    let mut saved = Vec::new();
    for (number, form) in forms.iter().enumerate() {
        let file = folder.path().join(format!("{number}.tar"));
        save(&cache, form, &file).exits(0);
        saved.push(fs::read(file).unwrap());
    }
    // In the store it has a name, which is in the archive.
    assert!(saved[..4].iter().all(|bytes| *bytes == saved[0]));
    assert!(saved[4..].iter().all(|bytes| *bytes == saved[4]));
    assert!(saved[0] != saved[4]);
    drop(layout);
    let entries: Vec<_> = tar::Archive::new(&saved[4][..])
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!(header.mtime().unwrap(), 0);
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            entry.path().unwrap().display().to_string()
        })
        .collect();
    assert_eq!(entries[..2], ["blobs/", "blobs/sha256/"]);
    assert_eq!(entries[6..], ["index.json", "oci-layout"]);
    assert!(entries[2..6].is_sorted());
}

#[test]
fn skopeo_reads_what_is_saved() {
    if bencher_runner::paths::find_program("skopeo").is_none() {
        println!("skipped: no skopeo on this machine");
        return;
    }
    let cache = Cache::new();
    let folder = tempfile::tempdir().unwrap();
    let (layout, forms) = forms(&cache, &folder);
    let path = layout.path().to_str().unwrap();
    let expected = cache.run(&["inspect", "--json", path]).exits(0).json();
    for (number, form) in [forms[0].as_str(), &forms[4]].into_iter().enumerate() {
        let file = folder.path().join(format!("saved{number}.tar"));
        save(&cache, form, &file).exits(0);
        let copy = folder.path().join(format!("copy{number}"));
        let copied = Command::new("skopeo")
            .args(["copy", "--quiet", "--insecure-policy", "--preserve-digests"])
            .arg(format!("oci-archive:{}", file.display()))
            .arg(format!("oci:{}", copy.display()))
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&copied.stderr);
        assert!(copied.status.success(), "{form}: {errors}");
        let copy = copy.to_str().unwrap();
        let found = cache.run(&["inspect", "--json", copy]).exits(0).json();
        assert_eq!(found["manifest"], expected["manifest"]);
        assert_eq!(found["layers"], expected["layers"]);
    }
}

#[test]
fn nothing_is_left_of_what_can_not_be_saved() {
    let cache = Cache::new();
    let folder = tempfile::tempdir().unwrap();
    let layout = image(&LAYERS);
    let name = layout.path().to_str().unwrap();
    let file = folder.path().join("saved.tar");
    let fails = |name: &str, file: &Path, reason: &str| {
        let ran = save(&cache, name, file).exits(125);
        assert!(ran.stderr.contains(reason), "{}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    };
    fs::write(&file, "mine").unwrap();
    fails(
        name,
        &file,
        "exists already: remove it, or choose another name",
    );
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    fs::remove_file(&file).unwrap();
    fails(
        name,
        &folder.path().join("nothing/saved.tar"),
        "No such file",
    );
    fails("nobody/has:it", &file, "no such file or folder here");
    let blob = digest(LAYERS[1]).replace(':', "/");
    fs::write(layout.path().join("blobs").join(blob), "damaged content!").unwrap();
    fails(name, &file, "its blob is damaged");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
