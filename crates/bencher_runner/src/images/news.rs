//! What a pull tells, as the user hears it.

use std::sync::atomic::{AtomicU64, Ordering};

use bencher_oci::registry::{PullEvent, PullObserver, RemoteImage};

use crate::Reporter;
use crate::units::ByteSize;

/// How much of a digest tells layers apart on a terminal: as much as Docker shows.
const SHOWN_DIGITS: usize = 12;

/// Hears of a pull and passes it on.
#[derive(Debug)]
pub(super) struct News<'a> {
    reporter: &'a dyn Reporter,
    /// Bytes that were there before.
    kept: AtomicU64,
}

impl<'a> News<'a> {
    pub(super) fn new(reporter: &'a dyn Reporter) -> Self {
        Self {
            reporter,
            kept: AtomicU64::new(0),
        }
    }

    /// What has come, when all has.
    pub(super) fn summary(&self, image: &RemoteImage) -> String {
        let layers = &image.manifest.layers;
        let bytes = layers
            .iter()
            .fold(0_u64, |sum, layer| sum.saturating_add(layer.size));
        let kept = match self.kept.load(Ordering::Relaxed) {
            0 => String::new(),
            kept => format!(", of which {} were there", ByteSize::from_bytes(kept)),
        };
        let count = match layers.len() {
            1 => "1 layer".to_owned(),
            count => format!("{count} layers"),
        };
        let bytes = ByteSize::from_bytes(bytes);
        format!("pulled {}: {count}, {bytes}{kept}", image.digest)
    }
}

impl PullObserver for News<'_> {
    fn event(&self, event: &PullEvent<'_>) {
        let part = |digest: &bencher_oci::Digest, done: u64, total: u64| {
            let digits = digest.hex();
            let shown = digits.get(..SHOWN_DIGITS).unwrap_or_default();
            self.reporter.part(shown, done, total);
        };
        match event {
            PullEvent::Present { blob } => {
                self.kept.fetch_add(blob.size, Ordering::Relaxed);
                self.reporter.debug(&event.to_string());
            }
            PullEvent::Started { blob, kept } => {
                self.kept.fetch_add(*kept, Ordering::Relaxed);
                self.reporter.debug(&event.to_string());
                part(&blob.digest, *kept, blob.size);
            }
            PullEvent::Progress { blob, received } => part(&blob.digest, *received, blob.size),
            PullEvent::Finished { blob } => {
                self.reporter.debug(&event.to_string());
                part(&blob.digest, blob.size, blob.size);
            }
            // What goes on in another way is worth a line; the numbers do not suffer.
            PullEvent::Waiting { .. }
            | PullEvent::Retry { .. }
            | PullEvent::NoCredentials { .. } => {
                self.reporter.info(&event.to_string());
            }
            _ => {}
        }
    }
}
