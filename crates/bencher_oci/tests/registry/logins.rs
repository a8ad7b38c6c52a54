//! Credentials that `docker login` and `podman login` left, and programs that keep them.

use bencher_oci::registry::{AuthFiles, Credentials, RegistryOptions};
use bencher_oci::{Cancellation, Digest, Platform};

use crate::server::{Reply, Server};
use crate::support::*;
use crate::tokens::{BASIC, PASSWORD, authorizations, guarded};

#[test]
fn a_registry_token_of_a_file_is_used_for_all_requests() {
    let registry = guarded("Bearer realm=\"x\"".to_owned(), |header| {
        header == "Bearer given"
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.json");
    let host = registry.host();
    let file = format!(r#"{{"auths":{{"{host}":{{"registrytoken":"given"}}}}}}"#);
    std::fs::write(&path, file).unwrap();
    let found = RegistryOptions {
        auth_files: AuthFiles { paths: vec![path] },
        ..options()
    };
    pull(&registry, found).unwrap();
    // Only the first one is told that it is needed.
    let sent = authorizations(&registry);
    assert_eq!(sent.iter().filter(|it| it.is_none()).count(), 1, "{sent:?}");
}

#[test]
fn a_part_of_a_registry_has_credentials_of_its_own() {
    let registry = Server::start(|request| {
        // "one:1" and "two:2" in base64.
        let user = if request.path.starts_with("/v2/owner/") {
            "Basic b25lOjE="
        } else {
            "Basic dHdvOjI="
        };
        let is_welcome = request.header("authorization") == Some(user);
        let challenge = "Basic realm=\"r\"";
        if is_welcome || request.path == "/v2/" {
            Reply::status(404)
        } else {
            Reply::status(401).with("WWW-Authenticate", challenge)
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.json");
    let host = registry.host();
    let file = format!(
        r#"{{"auths":{{"{host}/owner":{{"auth":"b25lOjE="}},"{host}":{{"auth":"dHdvOjI="}}}}}}"#
    );
    std::fs::write(&path, file).unwrap();
    let puller = Puller::new(
        &registry,
        RegistryOptions {
            auth_files: AuthFiles { paths: vec![path] },
            ..options()
        },
    );
    for name in ["owner/name", "other/name"] {
        let image = format!("{host}/{name}").parse().unwrap();
        let error = puller
            .client
            .resolve(&image, &Platform::host(), &Notes::default())
            .unwrap_err();
        // Known, and let in: there is only no image.
        assert_says(&error.to_string(), "no such image");
    }
}

#[test]
fn credentials_of_docker_and_podman_are_found() {
    let registry = guarded("Basic realm=\"r\"".to_owned(), |header| header == BASIC);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.json");
    let auth = BASIC.strip_prefix("Basic ").unwrap();
    let file = format!(
        r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#,
        registry.host()
    );
    std::fs::write(&path, file).unwrap();
    let found = RegistryOptions {
        auth_files: AuthFiles {
            paths: vec![path.clone()],
        },
        ..options()
    };
    pull(&registry, found.clone()).unwrap();
    // What is given comes before what is found.
    let given = RegistryOptions {
        credentials: Some(Credentials::Anonymous),
        ..found.clone()
    };
    assert_says(
        &pull(&registry, given).err().unwrap(),
        "authentication required",
    );

    std::fs::write(&path, "broken").unwrap();
    let notes = Notes::default();
    let puller = Puller::new(&registry, found);
    let observed = puller
        .client
        .resolve(&puller.image, &Platform::host(), &notes);
    let broken = format!(
        "{} is not a valid configuration of Docker or Podman (line 1)",
        path.display()
    );
    assert_says(
        &observed.unwrap_err().to_string(),
        &format!("(those found are of no use: {broken})"),
    );
    assert_eq!(
        notes.lines(),
        [format!("{broken}: going on without credentials")]
    );
}

/// What this process's environment has for `registry`, in a line of its own.
fn print_what_the_environment_has(registry: &str) {
    let image = format!("{registry}/r");
    let found = AuthFiles::from_env().find(&image.parse().unwrap(), &Cancellation::default());
    println!(
        "FOUND {}",
        match found {
            Ok(Credentials::Password { username, password }) => {
                format!(
                    "{username} {}",
                    Digest::sha256(password.expose().as_bytes())
                )
            }
            other => format!("{other:?}"),
        }
    );
}

#[test]
fn a_credential_helper_is_asked() {
    use std::os::unix::fs::PermissionsExt as _;
    // The environment belongs to all tests of a process, so this one runs itself in others.
    if let Ok(registry) = std::env::var("TEST_REGISTRY") {
        print_what_the_environment_has(&registry);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let helper = folder.path().join("docker-credential-testhelper");
    let script = "#!/bin/sh\nread server\n[ \"$1 $server\" = 'get known.example' ] || \
                  { echo 'credentials not found in native keychain'; exit 1; }\n\
                  echo '{\"ServerURL\":\"x\",\"Username\":\"user\",\"Secret\":\"open sesame\"}'\n";
    std::fs::write(&helper, script).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = folder.path().join("config.json");
    std::fs::write(config, r#"{"credsStore":"testhelper"}"#).unwrap();
    let found = |registry: &str| {
        let path = std::env::var("PATH").unwrap();
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "logins::a_credential_helper_is_asked"])
            .arg("--nocapture")
            .env("PATH", format!("{}:{path}", folder.path().display()))
            .env("DOCKER_CONFIG", folder.path())
            .env("HOME", folder.path())
            .env_remove("REGISTRY_AUTH_FILE")
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("XDG_CONFIG_HOME")
            .env("TEST_REGISTRY", registry)
            .output()
            .unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let line = output.lines().find_map(|line| line.split_once("FOUND "));
        line.unwrap_or_else(|| panic!("{output}")).1.to_owned()
    };
    let secret = Digest::sha256(PASSWORD.as_bytes());
    assert_eq!(found("known.example"), format!("user {secret}"));
    assert_eq!(found("other.example"), "Ok(Anonymous)");
}
