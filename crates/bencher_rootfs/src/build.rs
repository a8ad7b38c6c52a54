//! Building an image: layers in, ext4 out.
//!
//! ```text
//! layer 0 ─► decompress ─► hash, parse tar ─┬─► contents ───────────────► image file
//! layer 1 ─► decompress ─► hash, parse tar ─┤   (each layer its region)       ▲
//!    ⋮        (threads)       (threads)     └─► logs ─► merge ─► tree ─► ext4 ┘
//! ```
//!
//! Contents are written while layers are read, before it is known which of them upper layers
//! replace; what turns out to be lost is punched out afterwards. If they do not fit that way, the
//! layers are read twice: first to learn what remains of them, then to write exactly that.
//!
//! The bytes of the image depend on nothing but the layers, the size of the disk and
//! [`FORMAT_VERSION`](crate::identity::FORMAT_VERSION), and neither the number of threads nor
//! their timing. Memory is bounded by [`Limits`] and by [`MAX_PARALLEL_LAYERS`].

mod compact;
mod punch;
mod reading;
mod region;
mod stream;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicU64;

use crate::error::{ReadError, RootfsError};
use crate::ext4::{self, Layout};
use crate::identity::ImageIdentity;
use crate::layer::{Budget, LayerLog};
use crate::limits::{EntryName, Limit, LimitError, Limits};
use crate::merge::Merger;
use crate::progress::{Progress, Step};
use crate::source::LayerSource;
use crate::space::{Pool, Ranges, length};
use crate::tree::Tree;
use reading::Reading;
use region::RegionPlacement;

/// The largest number of layers that are read at the same time. Each takes about 3 MiB of memory.
pub const MAX_PARALLEL_LAYERS: usize = 8;

/// The most memory that the streams of layers which are read at the same time take together, in
/// bytes; one layer is read whatever it takes.
pub const MAX_STREAM_MEMORY: u64 = 32 << 20;

/// How to build an image.
#[derive(Clone, Copy, Debug)]
pub struct BuildOptions {
    /// The size of the disk in bytes.
    pub disk_bytes: u64,
    /// What layers may contain.
    pub limits: Limits,
    /// How many layers to read at the same time, at most [`MAX_PARALLEL_LAYERS`]; by default as
    /// many as there are processors.
    pub parallel_layers: Option<NonZeroUsize>,
}

impl BuildOptions {
    /// The usual, for a disk of so many bytes.
    pub fn new(disk_bytes: u64) -> Self {
        Self {
            disk_bytes,
            limits: Limits::default(),
            parallel_layers: None,
        }
    }

    fn threads(&self) -> usize {
        self.parallel_layers
            .or_else(|| std::thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get)
            .min(MAX_PARALLEL_LAYERS)
    }
}

/// What became of the layers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BuildReport {
    /// Files, directories and so on, each counted once whatever its names.
    pub nodes: u64,
    /// Bytes of the contents of all files, rounded up to whole blocks.
    pub content_bytes: u64,
    /// Extended attributes that were left out, as Linux lets no file of that kind have them.
    pub dropped_xattrs: u64,
    /// Whether space was so scarce that the layers were read twice.
    pub read_twice: bool,
    /// Bytes that are free for the command.
    pub free_bytes: u64,
}

/// Builds the image of the given layers, the lowest first, in `output`, which it empties first.
///
/// `output` is not synced.
///
/// # Errors
/// [`RootfsError`]. What `output` holds then is of no use.
pub fn build(
    layers: &[&dyn LayerSource],
    output: &File,
    options: &BuildOptions,
    progress: &dyn Progress,
) -> Result<BuildReport, RootfsError> {
    let layout = Layout::new(options.disk_bytes)?;
    let build = Build {
        layers,
        output,
        options,
        progress,
        log_end: AtomicU64::new(layout.size_bytes()),
    };
    build.check_number_of_layers()?;
    let (tree, dropped_xattrs, read_twice) = match build.contents_at_once(layout.data_ranges()) {
        Ok((tree, dropped)) => (tree, dropped, false),
        Err(ReadError::Full) => {
            let (tree, dropped) = build.contents_in_two_passes(layout.data_ranges())?;
            (tree, dropped, true)
        }
        Err(ReadError::Failed(error)) => return Err(error),
    };
    build.check_cancelled()?;
    progress.step(Step::Write);
    let diff_ids = layers.iter().map(|layer| layer.diff_id());
    let ext4_options = ext4::Options {
        digest: ImageIdentity::new(diff_ids, options.disk_bytes).bytes(),
        time: 0,
    };
    let written = ext4::write(output, &layout, &tree, &ext4_options)?;
    Ok(BuildReport {
        nodes: tree.len() as u64,
        content_bytes: compact::content_bytes(&tree),
        dropped_xattrs,
        read_twice,
        free_bytes: written.free_bytes,
    })
}

/// Puts the contents of all layers into `spool`, a file that may grow as it needs to, and merges
/// the layers to a tree that tells what lies where. Tells how many extended attributes were left
/// out as well.
pub(crate) fn spool(
    layers: &[&dyn LayerSource],
    spool: &File,
    options: &BuildOptions,
    progress: &dyn Progress,
) -> Result<(Tree, u64), RootfsError> {
    /// More than the limits let layers have, less than any filesystem ends at.
    const SPACE: std::ops::Range<u64> = 0..4 << 40;
    let build = Build {
        layers,
        output: spool,
        options,
        progress,
        log_end: AtomicU64::new(SPACE.end),
    };
    build.check_number_of_layers()?;
    match build.contents_at_once(Ranges::from([SPACE])) {
        Ok(merged) => Ok(merged),
        Err(error) => Err(failed(error, SPACE.end)),
    }
}

struct Build<'a> {
    layers: &'a [&'a dyn LayerSource],
    output: &'a File,
    options: &'a BuildOptions,
    progress: &'a dyn Progress,
    /// Logs are kept in the output file as well, behind everything that stays there. Writing the
    /// filesystem cuts them off.
    log_end: AtomicU64,
}

impl Build<'_> {
    fn check_number_of_layers(&self) -> Result<(), RootfsError> {
        let maximum = self.options.limits.layers;
        if self.layers.len() as u64 > maximum {
            return Err(RootfsError::Limit(LimitError {
                limit: Limit::Layers,
                maximum,
                entry: EntryName::new(b"image"),
            }));
        }
        Ok(())
    }

    fn check_cancelled(&self) -> Result<(), RootfsError> {
        if self.progress.is_cancelled() {
            return Err(RootfsError::Cancelled);
        }
        Ok(())
    }

    /// Empties the output file, if need be: ext4 writes a truncated file to disk when it is closed.
    fn reset(&self) -> Result<(), RootfsError> {
        let metadata = self.output.metadata().map_err(RootfsError::Write)?;
        if metadata.len() > 0 {
            self.output.set_len(0).map_err(RootfsError::write)?;
        }
        Ok(())
    }

    fn reading<'b>(&'b self, budget: &'b Budget) -> Reading<'b> {
        Reading::new(
            self.layers,
            self.output,
            &self.log_end,
            budget,
            self.threads(),
            self.progress,
        )
    }

    /// How many layers are read at the same time: as many as are asked for, unless their streams
    /// could take too much memory together.
    fn threads(&self) -> usize {
        let mut takes: Vec<_> = self
            .layers
            .iter()
            .map(|layer| layer.memory_bytes())
            .collect();
        takes.sort_unstable_by(|a, b| b.cmp(a));
        let fitting = takes
            .iter()
            .scan(0_u64, |sum, &bytes| {
                *sum = sum.saturating_add(bytes);
                Some(*sum)
            })
            .take_while(|&sum| sum <= MAX_STREAM_MEMORY)
            .count();
        self.options.threads().min(fitting.max(1))
    }

    /// Writes all contents, merges, and takes back what is lost.
    fn contents_at_once(&self, ranges: Ranges) -> Result<(Tree, u64), ReadError> {
        self.reset()?;
        let expected: Vec<_> = self.layers.iter().map(|&layer| expected(layer)).collect();
        self.progress.step(Step::Read {
            bytes: expected
                .iter()
                .fold(0, |sum, &size| sum.saturating_add(size)),
        });
        // With some reserve, as the files of a layer take more space than the layer at times.
        let reserved: Vec<_> = self
            .layers
            .iter()
            .map(|&layer| announced(layer))
            .map(|size| size.saturating_add(size / 8 + (1 << 20)))
            .collect();
        let pool = Pool::new(ranges, &reserved);
        let budget = Budget::new(&self.options.limits);
        let stop = || pool.stop();
        let mut reading = self.reading(&budget);
        reading.on_stop(&stop);
        let read = reading.run(
            |layer| RegionPlacement::new(&pool, layer),
            RegionPlacement::finish,
        )?;
        let (logs, used): (Vec<_>, Vec<_>) = read.into_iter().unzip();
        let (tree, dropped) = self.merge(logs)?;
        let used: Ranges = used.into_iter().flatten().collect();
        punch::unused(self.output, used, &tree)?;
        Ok((tree, dropped))
    }

    /// Merges first, then writes only what remains.
    fn contents_in_two_passes(&self, ranges: Ranges) -> Result<(Tree, u64), RootfsError> {
        self.reset()?;
        let budget = Budget::new(&self.options.limits);
        let stride = compact::stride(self.layers.len());
        let read = self.reading(&budget).run(
            |layer| compact::Counting::new(layer, stride),
            |_, rest| stride - rest.length,
        );
        let read = read.map_err(|error| failed(error, stride))?;
        let (logs, bytes): (Vec<_>, Vec<u64>) = read.into_iter().unzip();
        let (mut tree, dropped) = self.merge(logs)?;
        let content = compact::content_bytes(&tree);
        let needed = Layout::size_for(content, tree.len() as u64);
        if content > length(&ranges) || needed > self.options.disk_bytes {
            return Err(RootfsError::DoesNotFit {
                disk_bytes: self.options.disk_bytes,
                needed_bytes: needed,
            });
        }
        let moves = compact::relocate(&mut tree, ranges);
        self.progress.step(Step::ReadAgain {
            bytes: bytes.iter().sum(),
        });
        let budget = Budget::new(&self.options.limits);
        let mut reading = self.reading(&budget);
        reading.forget_entries();
        let read = reading.run(
            |layer| compact::Moved::new(&moves, layer, stride),
            |_, _| (),
        );
        read.map_err(|error| failed(error, stride))?;
        Ok((tree, dropped))
    }

    fn merge(&self, logs: Vec<LayerLog>) -> Result<(Tree, u64), RootfsError> {
        self.check_cancelled()?;
        self.progress.step(Step::Merge);
        let mut merger = Merger::new(&self.options.limits);
        for (layer, log) in self.layers.iter().zip(logs) {
            merger
                .apply(log, Some(self.output))
                .map_err(|source| RootfsError::Merge {
                    layer: layer.name(),
                    source,
                })?;
            self.check_cancelled()?;
        }
        Ok(merger.finish())
    }
}

/// The error of a reading that has no other way to go if the space is used up.
fn failed(error: ReadError, space: u64) -> RootfsError {
    match error {
        ReadError::Failed(error) => error,
        ReadError::Full => RootfsError::DoesNotFit {
            disk_bytes: space,
            needed_bytes: space,
        },
    }
}

/// The number of bytes that the contents of a layer are expected to have, as far as is known now.
fn expected(layer: &dyn LayerSource) -> u64 {
    /// What deflate can achieve; whoever claims more is not believed.
    const MAX_RATIO: u64 = 1032;
    let compressed = layer.compressed_size();
    layer
        .uncompressed_size_hint()
        .unwrap_or_else(|| announced(layer))
        .min(compressed.saturating_mul(MAX_RATIO))
        .max(compressed)
}

/// The number of bytes that a layer gets a place for: the same for the same layer, whatever is known of
/// it when it is read.
fn announced(layer: &dyn LayerSource) -> u64 {
    /// What archives of programs and libraries achieve at most as a whole.
    const USUAL_RATIO: u64 = 4;
    let compressed = layer.compressed_size();
    layer
        .announced_size()
        .unwrap_or(compressed.saturating_mul(USUAL_RATIO))
}
