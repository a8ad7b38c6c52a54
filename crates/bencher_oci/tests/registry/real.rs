//! Against Debian's `docker-registry`, with images of skopeo and buildah. Where a program is missing
//! the test says so and ends.

use std::path::Path;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use bencher_oci::registry::{
    AuthFiles, Clock, Credentials, PullEvent, PullObserver, RegistryClient, RegistryOptions,
    RegistryReference, RemoteImage, Secret, Unobserved,
};
use bencher_oci::{Cancellation, Descriptor, Digest, Platform};
use serde_json::json;
use test_support::programs::missing;
use test_support::{Buildah, HTPASSWD, Registry, Setup};

use crate::site::{CONFIG, INDEX, LAYER, MANIFEST, config, layer};
use crate::support::*;

/// Pulls `name` from a registry.
pub(crate) fn pull_name(
    registry: &Registry,
    name: &str,
    options: RegistryOptions,
) -> Result<(RemoteImage, Memory), String> {
    pull_for(registry, name, options, &Platform::host())
}

fn pull_for(
    registry: &Registry,
    name: &str,
    options: RegistryOptions,
    platform: &Platform,
) -> Result<(RemoteImage, Memory), String> {
    let image: RegistryReference = format!("{}/{name}", registry.host()).parse().unwrap();
    let client = RegistryClient::new(&image, options);
    let store = Memory::default();
    let pulled = client
        .resolve(&image, platform, &Unobserved)
        .and_then(|found| {
            client
                .fetch_layers(&found, &store, &Unobserved)
                .map(|()| found)
        })
        .map_err(|error| error.to_string())?;
    Ok((pulled, store))
}

/// An OCI layout with an image of two layers for each of two platforms, and the layers.
fn layout(folder: &Path) -> Vec<Vec<u8>> {
    let layers = vec![layer(1_000_000), layer(300)];
    std::fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
    let blob = |media_type: &str, bytes: &[u8]| {
        let digest = Digest::sha256(bytes);
        std::fs::write(folder.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    };
    let described: Vec<_> = layers.iter().map(|layer| blob(LAYER, layer)).collect();
    let manifests = [Platform::host(), "linux/riscv64".parse().unwrap()].map(|platform| {
        let config = blob(CONFIG, config(&layers, &platform).to_string().as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": described,
        });
        let mut entry = blob(MANIFEST, manifest.to_string().as_bytes());
        entry["platform"] = json!({"os": "linux", "architecture": platform.architecture()});
        entry
    });
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    let mut entry = blob(INDEX, index.to_string().as_bytes());
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": "v1"});
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    std::fs::write(folder.join("index.json"), index.to_string()).unwrap();
    let version = r#"{"imageLayoutVersion":"1.0.0"}"#;
    std::fs::write(folder.join("oci-layout"), version).unwrap();
    layers
}

/// A registry with the images of [`layout`] as `o/r:v1`, and their layers.
fn filled(setup: &Setup<'_>, options: &[&str]) -> Option<(Registry, Vec<Vec<u8>>)> {
    filled_after(setup, options, |_| {})
}

/// The same, with something that is done before the images come.
pub(crate) fn filled_after(
    setup: &Setup<'_>,
    options: &[&str],
    act: impl FnOnce(&Registry),
) -> Option<(Registry, Vec<Vec<u8>>)> {
    let registry = Registry::start(setup).unwrap()?;
    act(&registry);
    let folder = tempfile::tempdir().unwrap();
    let layers = layout(folder.path());
    let source = format!("oci:{}:v1", folder.path().display());
    registry
        .push(&source, "o/r:v1", &[&["--all"], options].concat())
        .unwrap();
    Some((registry, layers))
}

#[test]
fn an_index_with_an_image_for_each_platform() {
    let Some((registry, layers)) = filled(&Setup::default(), &["--preserve-digests"]) else {
        return;
    };
    let (image, store) = pull_name(&registry, "o/r:v1", options()).unwrap();
    assert!(layers.iter().all(|layer| store.has(layer)));
    assert_eq!(image.platform, Platform::host());
    assert_eq!(image.documents.len(), 3);
    // The same by its digest, and one of the other platform.
    let pinned = format!("o/r@{}", image.digest);
    let (again, _) = pull_name(&registry, &pinned, options()).unwrap();
    assert_eq!(again.manifest_digest, image.manifest_digest);
    let other = "linux/riscv64".parse().unwrap();
    let (other, _) = pull_for(&registry, "o/r:v1", options(), &other).unwrap();
    assert_ne!(other.manifest_digest, image.manifest_digest);
}

#[test]
fn what_is_not_there() {
    let Some((registry, _)) = filled(&Setup::default(), &["--preserve-digests"]) else {
        return;
    };
    for name in ["o/r:v2", "o/other:v1"] {
        let error = pull_name(&registry, name, options()).err().unwrap();
        assert_says(&error, "no such image: check the image's name and tag");
    }
}

#[test]
fn a_partial_layer_is_resumed() {
    let Some((registry, layers)) = filled(&Setup::default(), &["--preserve-digests"]) else {
        return;
    };
    let name = format!("{}/o/r:v1", registry.host());
    let image: RegistryReference = name.parse().unwrap();
    let client = RegistryClient::new(&image, options());
    let store = Memory::default();
    let content = &layers[0];
    let blob = Descriptor::new(LAYER, Digest::sha256(content), content.len() as u64);
    store.keep(blob.digest.clone(), &content[..600_000], false);
    client.fetch(&image, &[blob], &store, &Unobserved).unwrap();
    assert!(store.has(content));
    let slot = store.slot(content);
    assert_eq!((slot.written, slot.restarts), (400_000, 0));
}

#[test]
fn a_blob_that_is_damaged_in_the_registry() {
    let Some((registry, layers)) = filled(&Setup::default(), &["--preserve-digests"]) else {
        return;
    };
    let path = registry.blob_path(Digest::sha256(&layers[0])).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[500_000] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let error = pull_name(&registry, "o/r:v1", options()).err().unwrap();
    let (actual, expected) = (Digest::sha256(&bytes), Digest::sha256(&layers[0]));
    assert_says(
        &error,
        &format!("the content is {actual}, expected {expected}"),
    );
}

#[test]
fn docker_schema_2() {
    let Some((registry, layers)) = filled(&Setup::default(), &["--format", "v2s2"]) else {
        return;
    };
    let (image, store) = pull_name(&registry, "o/r:v1", options()).unwrap();
    let kind = |position: usize| image.documents[position].descriptor.media_type.clone();
    assert_eq!(
        kind(0),
        "application/vnd.docker.distribution.manifest.list.v2+json"
    );
    assert_eq!(
        kind(1),
        "application/vnd.docker.distribution.manifest.v2+json"
    );
    // skopeo compresses layers for Docker.
    assert_eq!(image.manifest.layers.len(), layers.len());
    for layer in &image.manifest.layers {
        let content = std::fs::read(registry.blob_path(&layer.digest).unwrap()).unwrap();
        assert!(store.has(&content));
    }
}

#[test]
fn zstd_layers() {
    let options_of_skopeo = ["--dest-compress-format", "zstd", "--format", "oci"];
    let Some((registry, _)) = filled(&Setup::default(), &options_of_skopeo) else {
        return;
    };
    let (image, store) = pull_name(&registry, "o/r:v1", options()).unwrap();
    for layer in &image.manifest.layers {
        let content = std::fs::read(registry.blob_path(&layer.digest).unwrap()).unwrap();
        assert!(store.has(&content));
    }
}

#[test]
fn what_buildah_pushes() {
    if missing(&["buildah"]) {
        return;
    }
    let Some(registry) = Registry::start(&Setup::default()).unwrap() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("hello"), layer(10_000)).unwrap();
    std::fs::write(
        path("Dockerfile"),
        "FROM scratch\nCOPY hello /\nCMD [\"/hello\"]\n",
    )
    .unwrap();
    let buildah = Buildah::new(folder.path());
    let is_built = buildah.can_build(&["--isolation", "chroot", "-t", "made"]);
    if !is_built.unwrap() {
        return;
    }
    let target = format!("docker://{}/made:v1", registry.host());
    let push = ["push", "-q", "--tls-verify=false", "made", &target];
    buildah.run(&push).unwrap();
    let (image, store) = pull_name(&registry, "made:v1", options()).unwrap();
    assert_eq!(image.config.cmd, ["/hello"]);
    assert_eq!(image.manifest.layers.len(), 1);
    let content = std::fs::read(
        registry
            .blob_path(&image.manifest.layers[0].digest)
            .unwrap(),
    )
    .unwrap();
    assert!(store.has(&content));
}

#[test]
fn a_registry_with_a_ca_of_its_own() {
    let setup = Setup {
        is_encrypted: true,
        ..Setup::default()
    };
    let Some((registry, layers)) = filled(&setup, &["--preserve-digests"]) else {
        return;
    };
    // A certificate that is not trusted is no reason to go on without encryption.
    let error = pull_name(&registry, "o/r:v1", options()).err().unwrap();
    assert_says(
        &error,
        &format!("https://{}/v2/: no trusted TLS connection", registry.host()),
    );
    assert_says(&error, "give the registry's own CA with --registry-ca");
    let trusting = RegistryOptions {
        ca_file: Some(registry.ca_file()),
        ..options()
    };
    let (_, store) = pull_name(&registry, "o/r:v1", trusting).unwrap();
    assert!(layers.iter().all(|layer| store.has(layer)));
    let careless = RegistryOptions {
        insecure_registries: vec![registry.host()],
        ..options()
    };
    let (_, store) = pull_name(&registry, "o/r:v1", careless).unwrap();
    assert!(layers.iter().all(|layer| store.has(layer)));
}

#[test]
fn docker_hub_by_a_short_name_with_docker_logins() {
    let setup = Setup {
        is_encrypted: true,
        htpasswd: Some(HTPASSWD),
        ..Setup::default()
    };
    let Some(registry) = Registry::start(&setup).unwrap() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let layers = layout(folder.path());
    let source = format!("oci:{}:v1", folder.path().display());
    let options_of_skopeo = [
        "--all",
        "--preserve-digests",
        "--dest-creds",
        "user:open sesame",
    ];
    registry
        .push(&source, "library/busybox:latest", &options_of_skopeo)
        .unwrap();
    // What `docker login` writes: "user:open sesame" in base64.
    let config = folder.path().join("config.json");
    let key = "https://index.docker.io/v1/";
    let file = format!(r#"{{"auths":{{"{key}":{{"auth":"dXNlcjpvcGVuIHNlc2FtZQ=="}}}}}}"#);
    std::fs::write(&config, file).unwrap();
    let options = RegistryOptions {
        // The certificate is for the name, and the name leads here.
        names: Arc::new(OneServer(registry.host().parse().unwrap())),
        ca_file: Some(registry.ca_file()),
        auth_files: AuthFiles {
            paths: vec![config],
        },
        ..options()
    };
    let image: RegistryReference = "busybox".parse().unwrap();
    let client = RegistryClient::new(&image, options);
    let store = Memory::default();
    let found = client
        .resolve(&image, &Platform::host(), &Unobserved)
        .unwrap();
    client.fetch_layers(&found, &store, &Unobserved).unwrap();
    assert!(layers.iter().all(|layer| store.has(layer)));
    let other: RegistryReference = "alpine".parse().unwrap();
    let error = client
        .resolve(&other, &Platform::host(), &Unobserved)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "https://registry-1.docker.io/v2/library/alpine/manifests/latest: no such image: check \
         the image's name and tag",
    );
}

#[test]
fn a_registry_with_passwords() {
    let setup = Setup {
        is_encrypted: true,
        htpasswd: Some(HTPASSWD),
        ..Setup::default()
    };
    let Some((registry, layers)) = filled(
        &setup,
        &["--preserve-digests", "--dest-creds", "user:open sesame"],
    ) else {
        return;
    };
    let with = |credentials: Option<&str>| RegistryOptions {
        ca_file: Some(registry.ca_file()),
        credentials: credentials.map(|password| Credentials::Password {
            username: "user".to_owned(),
            password: Secret::new(password),
        }),
        ..options()
    };
    let (_, store) = pull_name(&registry, "o/r:v1", with(Some("open sesame"))).unwrap();
    assert!(layers.iter().all(|layer| store.has(layer)));
    let error = pull_name(&registry, "o/r:v1", with(Some("guess")))
        .err()
        .unwrap();
    assert_says(&error, "the credentials were refused: log in again");
    assert!(!error.contains("guess"), "{error}");
    let error = pull_name(&registry, "o/r:v1", with(None)).err().unwrap();
    assert_says(
        &error,
        "authentication required: check the image's name, log in with",
    );
}

/// A registry that ends once a blob is there, and is there again once it is waited for.
#[derive(Debug)]
struct Restarted {
    registry: Mutex<Registry>,
    ends: Once,
    said: Mutex<Vec<String>>,
}

impl PullObserver for Restarted {
    fn event(&self, event: &PullEvent<'_>) {
        match event {
            PullEvent::Finished { .. } => {
                self.ends.call_once(|| self.registry.lock().unwrap().stop());
            }
            PullEvent::Retry { error, .. } => self.said.lock().unwrap().push(error.to_string()),
            _ => {}
        }
    }
}

impl Clock for Restarted {
    fn wait(&self, _: Duration, _: &Cancellation) {
        self.registry.lock().unwrap().serve().unwrap();
    }
}

#[test]
fn a_registry_that_is_restarted_in_the_middle() {
    let Some((registry, layers)) = filled(&Setup::default(), &["--preserve-digests"]) else {
        return;
    };
    let host = registry.host();
    let restarted = Arc::new(Restarted {
        registry: Mutex::new(registry),
        ends: Once::new(),
        said: Mutex::default(),
    });
    let image: RegistryReference = format!("{host}/o/r:v1").parse().unwrap();
    let options = RegistryOptions {
        parallel: 1.try_into().unwrap(),
        clock: Arc::<Restarted>::clone(&restarted),
        ..RegistryOptions::default()
    };
    let client = RegistryClient::new(&image, options);
    let store = Memory::default();
    let found = client.resolve(&image, &Platform::host(), &*restarted);
    client
        .fetch_layers(&found.unwrap(), &store, &*restarted)
        .unwrap();
    assert!(layers.iter().all(|layer| store.has(layer)));
    let said = restarted.said.lock().unwrap();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_says(
        &said[0],
        "connection refused, although the server answered before: try again once it runs",
    );
}
