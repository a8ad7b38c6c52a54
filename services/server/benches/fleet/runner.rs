//! A simulated runner: it keeps the protocol's promises and does nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_with_config};

use crate::{Error, lock};

/// The longest that claims are to take, in milliseconds, all but one in a hundred.
const MAX_P99: f64 = 250.0;
/// How often a runner says that it is at work.
const HEARTBEAT: Duration = Duration::from_secs(1);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What all runners share.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The servers: a runner that loses one takes the next.
    pub(crate) urls: Mutex<Vec<String>>,
    /// How long a job is held, in the mean.
    pub(crate) hold: Duration,
    pub(crate) log: Mutex<Log>,
}

/// What runners have seen.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) connected: usize,
    pub(crate) completed: usize,
    /// How often each job's command was begun.
    pub(crate) runs: HashMap<String, usize>,
    /// From `ready` to `job`, in milliseconds.
    latencies: Vec<f64>,
}

impl Log {
    /// How long claims took, as a table.
    pub(crate) fn claims(&self) -> String {
        let mut sorted = self.latencies.clone();
        sorted.sort_by(f64::total_cmp);
        let quantile = |part: usize| {
            // In thousandths, so that no index is a fraction.
            let place = sorted.len().saturating_sub(1) * part / 1000;
            sorted.get(place).copied().unwrap_or_default()
        };
        format!(
            "| {} claims, from `ready` to `job` | | goal |\n|---|---:|---:|\n| median | {:.1} ms | |\n\
             | p99 | {:.1} ms | ≤ {MAX_P99:.0} ms |\n| longest | {:.1} ms | |\n",
            sorted.len(),
            quantile(500),
            quantile(990),
            quantile(1000),
        )
    }
}

/// One runner.
#[derive(Debug)]
pub(crate) struct Simulated {
    plan: Arc<Plan>,
    slug: String,
    key: String,
    number: usize,
    poll: u32,
    /// A job that it has, and when it is done.
    job: Option<(String, Instant)>,
    random: fastrand::Rng,
    attempts: usize,
}

impl Simulated {
    pub(crate) fn new(plan: Arc<Plan>, slug: &str, key: &str, number: usize, poll: u32) -> Self {
        Self {
            plan,
            slug: slug.to_owned(),
            key: key.to_owned(),
            number,
            poll,
            job: None,
            random: fastrand::Rng::with_seed(number as u64),
            attempts: 0,
        }
    }

    /// Until it is aborted.
    pub(crate) async fn run(mut self) {
        loop {
            if let Ok(mut socket) = self.connect().await {
                lock(&self.plan.log).connected += 1;
                // It ends with an error only: the server went away.
                let _lost = self.work(&mut socket).await;
            }
            self.attempts += 1;
            let pause = self.random.u64(50..500);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    async fn connect(&self) -> Result<Socket, Error> {
        let url = {
            let urls = lock(&self.plan.urls);
            urls[(self.number + self.attempts) % urls.len()].clone()
        };
        let host = url.strip_prefix("http://").ok_or("no address")?;
        let address = format!("ws://{host}/v0/runners/{}/channel", self.slug);
        let mut request = address.into_client_request()?;
        let value = format!("Bearer {}", self.key).parse()?;
        request.headers_mut().insert("authorization", value);
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        // A thousand of them are in one process.
        let config = WebSocketConfig::default().read_buffer_size(4096);
        let stream = MaybeTlsStream::Plain(stream);
        Ok(client_async_with_config(request, stream, Some(config))
            .await?
            .0)
    }

    async fn work(&mut self, socket: &mut Socket) -> Result<(), Error> {
        loop {
            if self.job.is_none() {
                self.claim(socket).await?;
            }
            if let Some((job, until)) = self.job.clone() {
                self.hold(socket, until).await?;
                let results = json!([{"exit_code": 0, "stdout": "1.23 s\n"}]);
                let message = json!({"event": "completed", "job": job, "results": results});
                say(socket, &message).await?;
                self.job = None;
                lock(&self.plan.log).completed += 1;
            }
        }
    }

    /// Asks for a job, and begins with it.
    async fn claim(&mut self, socket: &mut Socket) -> Result<(), Error> {
        let asked = Instant::now();
        let answer = say(
            socket,
            &json!({"event": "ready", "poll_timeout": self.poll}),
        )
        .await?;
        if answer["event"] != "job" {
            return Ok(());
        }
        let latency = asked.elapsed().as_secs_f64() * 1000.0;
        let job = answer["uuid"].as_str().ok_or("a job without a name")?;
        {
            let mut log = lock(&self.plan.log);
            log.latencies.push(latency);
            *log.runs.entry(job.to_owned()).or_default() += 1;
        }
        let share = 0.5 + self.random.f64();
        let until = Instant::now() + self.plan.hold.mul_f64(share);
        self.job = Some((job.to_owned(), until));
        say(socket, &json!({"event": "running"})).await?;
        Ok(())
    }

    async fn hold(&self, socket: &mut Socket, until: Instant) -> Result<(), Error> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            tokio::time::sleep(left.min(HEARTBEAT)).await;
            if left > HEARTBEAT {
                say(socket, &json!({"event": "heartbeat"})).await?;
            }
        }
    }
}

/// Says something, and gives the answer.
async fn say(socket: &mut Socket, message: &Value) -> Result<Value, Error> {
    socket.send(Message::text(message.to_string())).await?;
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text)?),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err("the server left".into()),
            Some(Ok(_)) => {}
        }
    }
}
