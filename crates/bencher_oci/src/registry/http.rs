//! One HTTP request and its answer: no redirects, no authentication, no retries.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read as _};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ureq::http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue,
    RANGE,
};
use ureq::http::{HeaderMap, Request as HttpRequest, Response};
use ureq::tls::TlsConfig;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body, BodyReader, Error, Proxy};

use super::resolver::{AddressError, Guard, GuardedResolver, LookUpError, host_part};
use super::url::{Origin, Url};
use super::{RegistryErrorReason, RegistryOptions, Secret, trust};
use crate::{Cancellation, Excerpt, LeftAlone, OnCancel};

/// A request: `GET`, or `POST` with a form.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) url: &'a Url,
    pub(super) accept: Option<&'a str>,
    /// The value of the `Authorization` header.
    pub(super) authorization: Option<&'a Secret>,
    /// From which byte on.
    pub(super) from: u64,
    pub(super) form: Option<&'a Secret>,
}

impl<'a> Request<'a> {
    pub(super) fn get(url: &'a Url) -> Self {
        Self {
            url,
            accept: None,
            authorization: None,
            from: 0,
            form: None,
        }
    }
}

/// The beginning of an answer; its body is still to be read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: HeaderMap,
    body: Body,
}

impl Answer {
    pub(super) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn headers(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        let values = self.headers.get_all(name).into_iter();
        values.filter_map(|value| value.to_str().ok())
    }

    pub(super) fn content_length(&self) -> Option<u64> {
        self.header(CONTENT_LENGTH)?.trim().parse().ok()
    }

    pub(super) fn into_body(self) -> BodyReader<'static> {
        self.body.into_with_config().limit(u64::MAX).reader()
    }
}

/// A way to a host. Connections are shared within one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Route {
    encryption: Encryption,
    proxy: Option<Secret>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Encryption {
    None,
    Verified,
    Unverified,
}

type Agents = HashMap<Route, Agent>;

/// Sends requests for one registry.
#[derive(Debug)]
pub(super) struct Http {
    options: RegistryOptions,
    guard: Arc<Guard>,
    agents: Arc<Mutex<Agents>>,
    /// Who has answered before.
    answered: Mutex<HashSet<Origin>>,
    trust: OnceLock<TlsConfig>,
}

impl Http {
    /// For the registry at `host`, which may have a port.
    pub(super) fn new(host: &str, options: RegistryOptions) -> Self {
        let names = Arc::clone(&options.names);
        let guard = Guard::new(host_part(host), &options.trusted_hosts, names);
        Self {
            options,
            guard: Arc::new(guard),
            agents: Arc::default(),
            answered: Mutex::default(),
            trust: OnceLock::new(),
        }
    }

    pub(super) fn options(&self) -> &RegistryOptions {
        &self.options
    }

    /// Whether the user accepts whoever answers for this host.
    pub(super) fn is_insecure(&self, origin: &Origin) -> bool {
        let with_port = format!("{}:{}", origin.host, origin.port);
        self.options.insecure_registries.iter().any(|insecure| {
            let insecure = insecure.to_ascii_lowercase();
            insecure == origin.host || insecure == with_port
        })
    }

    /// Shuts all connections down once `cancellation` says so. Whoever uses one and is not to end
    /// finds it broken, and tries again.
    pub(super) fn shut_down_on(&self, cancellation: &Cancellation) -> OnCancel {
        let agents = Arc::clone(&self.agents);
        cancellation.on_cancel(move || {
            let agents = std::mem::take(&mut *lock(&agents));
            agents.into_values().for_each(Agent::shutdown);
        })
    }

    /// Sends a request, once. A cancellation ends the wait for the answer; what is read of that
    /// afterwards ends only with its connection ([`Http::shut_down_on`]).
    pub(super) fn send(
        &self,
        request: &Request<'_>,
        cancellation: &Cancellation,
    ) -> Result<Answer, RegistryErrorReason> {
        let origin = request.url.origin();
        // The agent comes before the look at the cancellation, which is in `beside`: either the
        // agent is shut down, or nothing is sent.
        let run = request.run(self.agent(origin)?)?;
        let sent = cancellation.beside("request", None, run);
        let sent = sent.map_err(|error| match error {
            LeftAlone::NoThread(error) => RegistryErrorReason::Connection(error),
            LeftAlone::Cancelled | LeftAlone::TimedOut => RegistryErrorReason::Cancelled,
        })?;
        let response = sent.map_err(|error| match reason(error) {
            RegistryErrorReason::Refused if lock(&self.answered).contains(origin) => {
                RegistryErrorReason::Lost
            }
            reason => reason,
        })?;
        lock(&self.answered).insert(origin.clone());
        let (head, body) = response.into_parts();
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        })
    }

    /// The whole of a small body.
    pub(super) fn read(&self, answer: Answer, limit: u64) -> Result<Vec<u8>, RegistryErrorReason> {
        if answer.content_length().is_some_and(|length| length > limit) {
            return Err(RegistryErrorReason::TooLarge(limit));
        }
        let clock = &self.options.clock;
        let start = clock.now();
        let mut body = answer.into_body().take(limit + 1);
        let mut bytes = Vec::new();
        let mut buffer = [0; 16 << 10];
        loop {
            let count = body.read(&mut buffer).map_err(read_reason)?;
            if count == 0 {
                return Ok(bytes);
            }
            bytes.extend_from_slice(&buffer[..count]);
            if bytes.len() as u64 > limit {
                return Err(RegistryErrorReason::TooLarge(limit));
            }
            if clock.now().saturating_duration_since(start) > self.options.timeouts.document {
                return Err(RegistryErrorReason::TimedOut("a document was received"));
            }
        }
    }

    /// Reads what nobody wants, so that the connection can be used again.
    pub(super) fn discard(&self, answer: Answer) {
        const LIMIT: u64 = 64 << 10;
        // Where that fails there is a new connection next time.
        let _ = self.read(answer, LIMIT);
    }

    fn agent(&self, origin: &Origin) -> Result<Agent, RegistryErrorReason> {
        let proxy = self.options.proxies.choose(origin);
        if proxy.is_some() {
            let checked = self.guard.check_behind_proxy(&origin.host);
            checked.map_err(RegistryErrorReason::Address)?;
        }
        let encryption = match origin.is_https {
            false => Encryption::None,
            true if self.is_insecure(origin) => Encryption::Unverified,
            true => Encryption::Verified,
        };
        let route = Route {
            encryption,
            proxy: proxy.cloned(),
        };
        let mut agents = lock(&self.agents);
        if let Some(agent) = agents.get(&route) {
            return Ok(agent.clone());
        }
        let agent = self.new_agent(&route)?;
        agents.insert(route, agent.clone());
        Ok(agent)
    }

    fn new_agent(&self, route: &Route) -> Result<Agent, RegistryErrorReason> {
        let timeouts = &self.options.timeouts;
        let proxy = route.proxy.as_ref().map(proxy).transpose()?;
        let mut config = Agent::config_builder()
            // What is no success decides about what comes next: none of that is ureq's.
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(&self.options.user_agent)
            .max_idle_connections_per_host(self.options.parallel.get() + 1)
            .timeout_resolve(Some(timeouts.connect))
            .timeout_connect(Some(timeouts.connect))
            .timeout_send_request(Some(timeouts.response))
            .timeout_send_body(Some(timeouts.response))
            .timeout_recv_response(Some(timeouts.response))
            .timeout_per_read(Some(timeouts.idle))
            .timeout_per_write(Some(timeouts.idle));
        config = match route.encryption {
            Encryption::None => config,
            Encryption::Verified => config.tls_config(self.trust()?),
            Encryption::Unverified => config.tls_config(trust::unverified()),
        };
        let connector = DefaultConnector::new();
        Ok(match proxy {
            None => {
                let resolver = GuardedResolver(Arc::clone(&self.guard));
                Agent::with_parts(config.proxy(None).build(), connector, resolver)
            }
            // Only the proxy's own name is looked up here, and the user chose that.
            Some(proxy) => {
                let config = config.proxy(Some(proxy)).build();
                Agent::with_parts(config, connector, DefaultResolver::default())
            }
        })
    }

    fn trust(&self) -> Result<TlsConfig, RegistryErrorReason> {
        if let Some(trust) = self.trust.get() {
            return Ok(trust.clone());
        }
        let trust = trust::verified(self.options.ca_file.as_deref())?;
        Ok(self.trust.get_or_init(|| trust).clone())
    }
}

/// A request that is ready to be sent by any thread.
type Run = Box<dyn FnOnce() -> Result<Response<Body>, Error> + Send>;

impl Request<'_> {
    fn run(&self, agent: Agent) -> Result<Run, RegistryErrorReason> {
        Ok(match self.form {
            None => {
                let request = self.build(())?;
                Box::new(move || agent.run(request))
            }
            Some(form) => {
                let (head, form) = self.build(form.clone())?.into_parts();
                Box::new(move || agent.run(HttpRequest::from_parts(head, form.expose())))
            }
        })
    }

    fn build<B>(&self, body: B) -> Result<HttpRequest<B>, RegistryErrorReason> {
        let method = if self.form.is_some() { "POST" } else { "GET" };
        let mut request = HttpRequest::builder()
            .method(method)
            .uri(self.url.uri().clone())
            // A compressed answer would have another digest.
            .header(ACCEPT_ENCODING, "identity");
        if let Some(accept) = self.accept {
            request = request.header(ACCEPT, accept);
        }
        if self.form.is_some() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        if self.from > 0 {
            request = request.header(RANGE, format!("bytes={}-", self.from));
        }
        if let Some(authorization) = self.authorization {
            let mut value = HeaderValue::from_str(authorization.expose())
                .map_err(|_| RegistryErrorReason::NoToken)?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        request
            .body(body)
            .map_err(|_| RegistryErrorReason::Protocol("no valid request".to_owned()))
    }
}

fn proxy(url: &Secret) -> Result<Proxy, RegistryErrorReason> {
    let proxy = Proxy::new(url.expose()).map_err(|_| {
        // The text may hold a password.
        RegistryErrorReason::Proxy("it is not a URL like http://proxy:3128".to_owned())
    })?;
    match proxy.protocol() {
        ureq::ProxyProtocol::Http | ureq::ProxyProtocol::Https => Ok(proxy),
        other => Err(RegistryErrorReason::Proxy(format!(
            "{other:?} is not supported, only an HTTP proxy is"
        ))),
    }
}

/// What an error while reading a body is.
pub(super) fn read_reason(error: io::Error) -> RegistryErrorReason {
    reason(error.into())
}

/// What ureq's error is to a user. Its own text can hold a whole URL.
fn reason(error: Error) -> RegistryErrorReason {
    match error {
        Error::Timeout(timeout) => RegistryErrorReason::TimedOut(doing(timeout)),
        Error::Io(error) => io_reason(error),
        Error::Rustls(rustls::Error::InvalidMessage(_)) => RegistryErrorReason::NotTls,
        Error::Rustls(error) => RegistryErrorReason::Tls(error.to_string()),
        Error::Tls(reason) => RegistryErrorReason::Tls(reason.to_owned()),
        Error::ConnectProxyFailed(reason) => {
            RegistryErrorReason::Proxy(Excerpt::new(&reason).to_string())
        }
        Error::LargeResponseHeader(..) => {
            RegistryErrorReason::Protocol("its header is too large".to_owned())
        }
        Error::Protocol(_) => RegistryErrorReason::Protocol("not valid HTTP".to_owned()),
        Error::Other(error) => other_reason(error),
        Error::HostNotFound | Error::ConnectionFailed => {
            RegistryErrorReason::Connection(io::Error::other("no connection"))
        }
        _ => RegistryErrorReason::Protocol("the request failed".to_owned()),
    }
}

fn io_reason(error: io::Error) -> RegistryErrorReason {
    if error.kind() == io::ErrorKind::ConnectionRefused {
        return RegistryErrorReason::Refused;
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(rustls::Error::InvalidMessage(_)) => RegistryErrorReason::NotTls,
        Some(error) => RegistryErrorReason::Tls(rustls::Error::to_string(error)),
        None => RegistryErrorReason::Connection(error),
    }
}

fn other_reason(error: Box<dyn std::error::Error + Send + Sync>) -> RegistryErrorReason {
    let error = match error.downcast::<AddressError>() {
        Ok(error) => return RegistryErrorReason::Address(*error),
        Err(error) => error,
    };
    match error.downcast::<LookUpError>() {
        Ok(error) => RegistryErrorReason::UnknownHost {
            host: Excerpt::new(&error.host),
            error: error.error.to_string(),
        },
        Err(_) => RegistryErrorReason::Protocol("the request failed".to_owned()),
    }
}

fn doing(timeout: ureq::Timeout) -> &'static str {
    match timeout {
        ureq::Timeout::Resolve => "the host's name was looked up",
        ureq::Timeout::Connect => "a connection was made",
        ureq::Timeout::SendRequest | ureq::Timeout::SendBody | ureq::Timeout::PerWrite => {
            "the request was sent"
        }
        ureq::Timeout::RecvResponse => "an answer was waited for",
        _ => "data was waited for",
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in there is whole whatever happened to the thread that held it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
