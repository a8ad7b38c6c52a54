//! Reading all layers, several at the same time.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::expected;
use super::stream::{self, Consumer};
use crate::content::{ContentWriter, Placement, Run};
use crate::error::{ReadError, RootfsError};
use crate::identity::hex;
use crate::layer::{self, Budget, LayerError, LayerLog, Meter};
use crate::limits::LimitError;
use crate::progress::Progress;
use crate::source::LayerSource;

/// What messages call the place behind the last entry.
const END: &[u8] = b"end of the layer";

/// One reading of all layers.
pub(super) struct Reading<'a> {
    layers: &'a [&'a dyn LayerSource],
    file: &'a File,
    log_end: &'a AtomicU64,
    budget: &'a Budget,
    threads: usize,
    progress: &'a dyn Progress,
    keep_entries: bool,
    /// Set when a layer failed, for the others to stop as soon as they can.
    stopped: AtomicBool,
    on_stop: Option<&'a (dyn Fn() + Sync)>,
}

impl<'a> Reading<'a> {
    /// Contents go to `file`, and logs to what is behind `log_end` there; up to `threads` layers
    /// are read at a time.
    pub(super) fn new(
        layers: &'a [&'a dyn LayerSource],
        file: &'a File,
        log_end: &'a AtomicU64,
        budget: &'a Budget,
        threads: usize,
        progress: &'a dyn Progress,
    ) -> Self {
        Self {
            layers,
            file,
            log_end,
            budget,
            threads,
            progress,
            keep_entries: true,
            stopped: AtomicBool::new(false),
            on_stop: None,
        }
    }

    /// Only contents matter; the logs stay empty.
    pub(super) fn forget_entries(&mut self) {
        self.keep_entries = false;
    }

    /// Something to do when a layer fails, so that others do not wait for it.
    pub(super) fn on_stop(&mut self, on_stop: &'a (dyn Fn() + Sync)) {
        self.on_stop = Some(on_stop);
    }

    /// Reads every layer with a placement of its own. `finish` gets that back, with what is left
    /// of its last run. Gives the log and what `finish` made, in the order of the layers.
    pub(super) fn run<P: Placement, T: Send>(
        &self,
        place: impl Fn(usize) -> P + Sync,
        finish: impl Fn(P, Run) -> T + Sync,
    ) -> Result<Vec<(LayerLog, T)>, ReadError> {
        let queue = Mutex::new(Queue::new(self.layers));
        let results: Mutex<Vec<Option<(LayerLog, T)>>> =
            Mutex::new(self.layers.iter().map(|_| None).collect());
        let failure = Mutex::new(None);
        // A function of its own, so that the queue is not locked for longer.
        let next = |in_order| lock(&queue).next(in_order);
        let work = |in_order: bool| {
            while let Some(index) = next(in_order) {
                let read = self.read_layer(index, place(index));
                match read {
                    Ok((log, placement, rest)) => {
                        let finished = finish(placement, rest);
                        lock(&results)[index] = Some((log, finished));
                    }
                    Err(error) => {
                        self.fail(error, &failure);
                        return;
                    }
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.threads.min(self.layers.len()) {
                let spawned = thread::Builder::new()
                    .name("layer".into())
                    .spawn_scoped(scope, || work(false));
                if let Err(error) = spawned {
                    self.fail(RootfsError::Thread(error).into(), &failure);
                }
            }
            work(true);
        });
        if let Some(error) = lock(&failure).take() {
            return Err(error);
        }
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(results.into_iter().flatten().collect())
    }

    /// Keeps the error of whoever fails first, and stops the others, which fail because of that.
    fn fail(&self, error: ReadError, failure: &Mutex<Option<ReadError>>) {
        if !self.stopped.swap(true, Ordering::Relaxed) {
            let cancelled = self.progress.is_cancelled();
            *lock(failure) = Some(match error {
                _ if cancelled => RootfsError::Cancelled.into(),
                error => error,
            });
        }
        for layer in self.layers {
            layer.give_up();
        }
        if let Some(on_stop) = self.on_stop {
            on_stop();
        }
    }

    fn read_layer<P: Placement>(
        &self,
        index: usize,
        placement: P,
    ) -> Result<(LayerLog, P, Run), ReadError> {
        let layer = self.layers[index];
        let input = layer.open().map_err(|source| RootfsError::OpenLayer {
            layer: layer.name(),
            source,
        })?;
        let (producer, consumer) = stream::stream(&self.stopped, self.progress);
        thread::scope(|scope| {
            thread::Builder::new()
                .name("decompress".into())
                .spawn_scoped(scope, move || producer.run(input))
                .map_err(RootfsError::Thread)?;
            // Consumes `consumer`, without which the other thread ends.
            self.read_stream(layer, consumer, placement)
        })
    }

    fn read_stream<P: Placement>(
        &self,
        layer: &dyn LayerSource,
        consumer: Consumer<'_>,
        placement: P,
    ) -> Result<(LayerLog, P, Run), ReadError> {
        let mut writer = ContentWriter::new(self.file, placement, self.log_end);
        let mut meter = Meter::new(self.budget, layer.compressed_size());
        let mut log = LayerLog::default();
        let kept = self.keep_entries.then_some(&mut log);
        let digest = layer::read::<_, _, Failure>(consumer, &mut meter, &mut writer, kept)
            .and_then(|mut consumer| {
                // What follows the archive's end belongs to the layer nevertheless.
                consumer.drain::<Failure>(|total| Ok(meter.advance(total, END)?))?;
                Ok(consumer.digest())
            })
            .map_err(|failure| failure.of(layer))?;
        if digest != layer.diff_id() {
            return Err(ReadError::Failed(RootfsError::DiffId {
                layer: layer.name(),
                expected: hex(&layer.diff_id()),
                actual: hex(&digest),
            }));
        }
        let (placement, rest) = writer.finish()?;
        Ok((log, placement, rest))
    }
}

/// What can go wrong while a stream is read.
enum Failure {
    Layer(LayerError),
    Stream(io::Error),
    Content(ReadError),
}

impl Failure {
    fn of(self, layer: &dyn LayerSource) -> ReadError {
        let layer = || layer.name();
        match self {
            Self::Layer(error) => RootfsError::layer(layer(), error).into(),
            Self::Stream(source) => RootfsError::ReadLayer {
                layer: layer(),
                source,
            }
            .into(),
            Self::Content(error) => error,
        }
    }
}

impl From<LayerError> for Failure {
    fn from(error: LayerError) -> Self {
        Self::Layer(error)
    }
}

impl From<LimitError> for Failure {
    fn from(error: LimitError) -> Self {
        Self::Layer(error.into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Stream(error)
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::Content(error)
    }
}

/// The layers that nobody reads yet.
///
/// One thread takes them in order, so that the lowest layer that is not finished is always being
/// read: others may wait for it. The rest take the largest first, so that they end together.
struct Queue {
    /// Lowest last.
    in_order: Vec<usize>,
    /// Largest last.
    by_size: Vec<usize>,
    taken: Vec<bool>,
}

impl Queue {
    fn new(layers: &[&dyn LayerSource]) -> Self {
        let in_order: Vec<_> = (0..layers.len()).rev().collect();
        let mut by_size = in_order.clone();
        by_size.sort_by_key(|&index| expected(layers[index]));
        Self {
            in_order,
            by_size,
            taken: vec![false; layers.len()],
        }
    }

    fn next(&mut self, in_order: bool) -> Option<usize> {
        let list = if in_order {
            &mut self.in_order
        } else {
            &mut self.by_size
        };
        while let Some(index) = list.pop() {
            if !std::mem::replace(&mut self.taken[index], true) {
                return Some(index);
            }
        }
        None
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A thread that panics takes the whole build with it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
