//! Images that come out of a registry: Debian's `docker-registry` on loopback, which skopeo fills. The
//! runner's store is empty at first.

use std::fs;

use anyhow::Context as _;
use serde_json::{Value, json};
use test_support::{HTPASSWD, PASSWORD, Registry, Setup, USER};

use crate::scenarios::expect::Expect;
use crate::scenarios::invocation::Invocation;
use crate::scenarios::scenario::Scenario;
use crate::scenarios::stage::Stage;
use crate::scenarios::surroundings::Need;

const NEEDS: &[Need] = &[
    Need::Option("--pull"),
    Need::Program("docker-registry"),
    Need::Program("skopeo"),
];

/// The image's name in the registry.
const NAME: &str = "o/shell:1";

/// "user:open sesame" and "user:guess", as Basic authentication has them.
const RIGHT: &str = "dXNlcjpvcGVuIHNlc2FtZQ==";
const WRONG: &str = "dXNlcjpndWVzcw==";

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::driven(
        "registry_image_by_tag",
        "an image that is named by a tag comes from its registry and runs",
        |stage| {
            let registry = filled(stage, &Setup::default(), &[])?;
            stage.run(&named(&format!("{}/{NAME}", registry.host())))?;
            Ok(())
        },
        |record| record.is(ran()),
    )
    .needs(NEEDS),
    Scenario::driven(
        "registry_image_by_digest",
        "an image that is named by a digest is the one that runs, and no other",
        |stage| {
            let registry = filled(stage, &Setup::default(), &["--format", "oci"])?;
            let digest = registry.digest(NAME)?;
            stage.observe("the digest", digest.as_str());
            // By now the tag is another manifest's.
            registry.push(&stage.image_for_skopeo(), NAME, &["--format", "v2s2"])?;
            stage.observe("the tag moved", registry.digest(NAME)? != digest);
            stage.run(&named(&format!("{}/o/shell@{digest}", registry.host())))?;
            Ok(())
        },
        |record| {
            let digest = record.observed.get("the digest").cloned();
            let digest = digest.unwrap_or(Value::Null);
            record.saw("the tag moved", true)?;
            record.is(ran().field("/image/manifest_digest", digest))
        },
    )
    .needs(NEEDS),
    Scenario::driven(
        "registry_credentials",
        "wrong credentials are one clear error, and right ones fetch the image",
        |stage| {
            let setup = Setup {
                htpasswd: Some(HTPASSWD),
                ..Setup::default()
            };
            let user = format!("{USER}:{PASSWORD}");
            let registry = filled(stage, &setup, &["--dest-creds", &user])?;
            let file = stage.folder().join("auth.json");
            let path = file.to_str().context("a path that is text")?;
            let mut invocation = named(&format!("{}/{NAME}", registry.host()));
            invocation.variable("REGISTRY_AUTH_FILE", path);
            for auth in [WRONG, RIGHT] {
                let auths = json!({"auths": {registry.host(): {"auth": auth}}});
                fs::write(&file, auths.to_string())?;
                stage.run(&invocation)?;
            }
            Ok(())
        },
        |record| {
            let refused = Expect::refused(
                "http://127.0.0.1:…/v2/o/shell/manifests/1: the credentials were refused: log in \
                 again, or check --username and the password",
            );
            record.are(&[refused, ran()])
        },
    )
    .needs(NEEDS),
    Scenario::driven(
        "registry_gone",
        "what was fetched once runs without its registry, unless that is to be asked",
        |stage| {
            let mut registry = filled(stage, &Setup::default(), &[])?;
            let mut invocation = named(&format!("{}/{NAME}", registry.host()));
            stage.run(&invocation)?;
            registry.stop();
            stage.run(&invocation)?;
            stage.run(invocation.options(["--pull", "always"]))?;
            Ok(())
        },
        |record| {
            let refused = Expect::refused(
                "https://127.0.0.1:…/v2/: connection refused: check the host and the port, and that \
                 the registry runs",
            );
            record.are(&[ran(), ran(), refused])
        },
    )
    .needs(NEEDS),
];

/// A registry with the scenario's image, and a runner that has nothing of it.
fn filled(stage: &mut Stage<'_>, setup: &Setup<'_>, options: &[&str]) -> anyhow::Result<Registry> {
    let registry = Registry::start_in(&stage.folder().join("registry"), setup)?;
    registry.push(&stage.image_for_skopeo(), NAME, options)?;
    stage.empty_store()?;
    Ok(registry)
}

fn named(image: &str) -> Invocation {
    let mut invocation = Invocation::new();
    invocation.of(image).script("echo out of a registry");
    invocation
}

fn ran() -> Expect {
    Expect::exit(0).stdout("out of a registry\n")
}
