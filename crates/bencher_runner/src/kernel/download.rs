//! A kernel from a URL, pinned by its digest.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::Path;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::store::MAX_KERNEL;
use super::{KernelError, KernelUrl};

/// Time to connect, and then to receive the whole of it.
const CONNECT: Duration = Duration::from_secs(30);
const TRANSFER: Duration = Duration::from_mins(10);

/// Writes what `url` serves to `target` and checks its digest.
pub(crate) fn download(url: &KernelUrl, target: &Path) -> Result<(), KernelError> {
    let failed = |reason: String| KernelError::Download {
        url: url.url.clone(),
        reason,
    };
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT))
        .timeout_global(Some(TRANSFER))
        .build()
        .into();
    let response = agent
        .get(&url.url)
        .call()
        .map_err(|error| failed(error.to_string()))?;
    let mut body = response
        .into_body()
        .into_with_config()
        .limit(MAX_KERNEL)
        .reader();
    let mut file = File::create(target).map_err(|source| KernelError::Cache {
        path: target.to_owned(),
        source,
    })?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    loop {
        let count = body
            .read(&mut buffer)
            .map_err(|error| failed(error.to_string()))?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        file.write_all(&buffer[..count])
            .map_err(|source| KernelError::Cache {
                path: target.to_owned(),
                source,
            })?;
    }
    let found = hex::encode(hasher.finalize());
    if found == url.sha256 {
        Ok(())
    } else {
        Err(KernelError::WrongDigest {
            url: url.url.clone(),
            expected: url.sha256.clone(),
            found,
        })
    }
}
