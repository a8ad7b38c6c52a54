//! What a job runs.

use bencher_server_api::Config;

use super::Image;
use crate::arguments::JobOptions;

/// What runs `cmd`, or the image's own command where it is empty.
pub(crate) fn config(image: &Image, cmd: &[String], options: &JobOptions) -> Config {
    let filled = |list: &[String]| Some(list.to_vec()).filter(|list| !list.is_empty());
    Config {
        registry: image.registry.clone(),
        digest: image.digest.clone(),
        image: Some(image.name.clone()),
        entrypoint: options.entrypoint.clone(),
        cmd: filled(cmd),
        env: Some(options.env.iter().cloned().collect()).filter(|_| !options.env.is_empty()),
        timeout: None,
        file_paths: filled(&options.output),
        build_time: options.build_time.then_some(true),
        file_size: options.file_size.then_some(true),
        iter: None,
        allow_failure: options.allow_failure.then_some(true),
    }
}

/// Seconds that a job may run, if that was said.
pub(crate) fn timeout(options: &JobOptions) -> Result<Option<u32>, String> {
    options
        .timeout
        .map(|timeout| {
            u32::try_from(timeout.as_secs())
                .ok()
                .filter(|seconds| *seconds > 0)
                .ok_or_else(|| {
                    "--timeout must be a second at least, and 136 years at most".to_owned()
                })
        })
        .transpose()
}
