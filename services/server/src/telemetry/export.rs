//! Spans go to a collector, in the background: it can be slow or away, and no request waits for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::otlp::{Span, body};
use crate::metrics::Metrics;

/// Spans that wait; what is more is dropped.
const WAITING: usize = 4096;
/// Spans that are sent at once.
const BATCH: usize = 512;
/// How long spans may be gathered before they are sent.
const GATHERING: Duration = Duration::from_secs(1);
/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where spans go.
#[derive(Debug, Clone)]
pub(crate) struct Exporter {
    sender: mpsc::Sender<Span>,
    metrics: Arc<Metrics>,
}

impl Exporter {
    pub(super) fn export(&self, span: Span) {
        if self.sender.try_send(span).is_err() {
            // A collector that is too slow misses some.
            self.count_dropped(1);
        }
    }

    /// So many spans, or what they would have been made of, were not sent.
    pub(super) fn count_dropped(&self, spans: usize) {
        self.metrics.count_dropped_spans(spans);
    }
}

/// Begins to send to the collector at `endpoint`. The task ends once all exporters are gone and
/// everything is sent.
pub(crate) fn start(endpoint: &str, metrics: Arc<Metrics>) -> (Exporter, JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let task = tokio::spawn(run(url, receiver, Arc::clone(&metrics)));
    (Exporter { sender, metrics }, task)
}

async fn run(url: String, mut receiver: mpsc::Receiver<Span>, metrics: Arc<Metrics>) {
    let agent = ureq::Agent::config_builder()
        .max_redirects(0)
        .timeout_global(Some(PATIENCE))
        .build()
        .new_agent();
    let url: Arc<str> = url.into();
    let mut is_heard = true;
    loop {
        let mut spans = Vec::with_capacity(BATCH);
        if receiver.recv_many(&mut spans, BATCH).await == 0 {
            return;
        }
        let gathered = async {
            while spans.len() < BATCH {
                let room = BATCH - spans.len();
                if receiver.recv_many(&mut spans, room).await == 0 {
                    return;
                }
            }
        };
        // What is there by then is sent.
        let _late = tokio::time::timeout(GATHERING, gathered).await;
        let (agent, to, count) = (agent.clone(), Arc::clone(&url), spans.len());
        let sent = tokio::task::spawn_blocking(move || send(&agent, &to, &spans)).await;
        if !matches!(sent, Ok(Ok(()))) {
            metrics.count_dropped_spans(count);
        }
        match sent {
            Ok(Ok(())) => is_heard = true,
            Ok(Err(error)) if is_heard => {
                is_heard = false;
                tracing::warn!(%error, url = &*url, "the collector does not take traces");
            }
            Ok(Err(_)) => {}
            Err(error) => tracing::error!(%error, "traces were not sent"),
        }
    }
}

fn send(agent: &ureq::Agent, url: &str, spans: &[Span]) -> Result<(), ureq::Error> {
    agent
        .post(url)
        .header("content-type", "application/json")
        .send(body(spans).to_string())?;
    Ok(())
}
