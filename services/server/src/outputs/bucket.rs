//! A bucket as a store of objects.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use super::{Bucket, SILENCE};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How often a request is made again. A runner waits a few seconds for its result to be kept, and
/// sends it again after that: it is the one who has the patience.
const RETRIES: usize = 2;
/// How long after its beginning a request is not made again.
const RETRYING: Duration = Duration::from_secs(4);

/// The bucket, as its variables of the environment say.
pub(super) fn open(bucket: &Bucket) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
    // Another part of the program may have chosen the same one before.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(&bucket.name)
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(200),
                max_backoff: Duration::from_secs(1),
                base: 2.0,
            },
            max_retries: RETRIES,
            retry_timeout: RETRYING,
        });
    if let Some(endpoint) = &bucket.endpoint {
        // The one that comes before all others.
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
    }
    if let Some(region) = &bucket.region {
        builder = builder.with_region(region);
    }
    let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
        .iter()
        .find_map(|key| builder.get_config_value(key));
    // Whoever wrote that address knows that it is not encrypted.
    let is_plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    let options = ClientOptions::new()
        .with_allow_http(is_plain)
        .with_connect_timeout(CONNECT)
        .with_read_timeout(SILENCE)
        // Whoever reads results may take their time.
        .with_timeout_disabled()
        .with_default_content_type("application/json");
    let store = builder.with_client_options(options).build()?;
    Ok(Arc::new(PrefixStore::new(store, bucket.prefix.as_str())))
}
