//! A bucket for tests: a small server that speaks S3, the XML interface of Google or Azure Blob Storage on the loopback interface. It checks
//! the signature of every request with code of its own, and keeps the objects in memory.

mod answers;
mod shared_key;
mod sigv4;
mod xml;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::HeaderMap;
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use crate::http_server;
use answers::{download, error, percent_decode, respond, with_header};

pub use sigv4::S3Keys;

/// The keys of an Azure account.
#[derive(Debug, Clone)]
pub struct AzureKeys {
    /// The name of the account.
    pub account: String,
    /// The key of the account, in Base64.
    pub key: String,
}

/// The protocol of a bucket, and the keys that the bucket accepts.
#[derive(Debug, Clone)]
enum Protocol {
    S3(S3Keys),
    Azure(AzureKeys),
    /// The XML interface of Google, with this access token.
    Google(String),
}

/// An object in a bucket.
#[derive(Debug, Clone)]
pub struct FakeObject {
    /// The headers of the request that stored the object.
    pub headers: HeaderMap,
    /// The bytes of the object.
    pub bytes: Bytes,
    /// The time at which the object was stored.
    pub modified: SystemTime,
}

/// A request that arrived at a bucket.
#[derive(Debug, Clone)]
pub struct BucketRequest {
    /// The method.
    pub method: Method,
    /// The path and the query, as sent.
    pub target: String,
    /// The status with which the bucket answered.
    pub status: u16,
    /// The reason why the bucket refused the request. `None` if it did not refuse the request.
    pub refusal: Option<String>,
}

/// An answer that a bucket gives instead of the right one.
#[derive(Debug, Clone)]
struct Failure {
    status: u16,
    code: String,
}

#[derive(Debug, Default)]
struct State {
    /// The objects by their decoded keys.
    objects: BTreeMap<String, FakeObject>,
    requests: Vec<BucketRequest>,
    failures: VecDeque<Failure>,
    /// The failure of every request, until the test ends it.
    outage: Option<Failure>,
}

/// A running bucket. It answers until the caller's runtime ends.
pub struct FakeBucket {
    /// The address that the bucket listens on.
    pub address: SocketAddr,
    /// The name of the bucket or container.
    pub name: String,
    /// The path of the bucket, such as `/photos`, without a slash at its end.
    base_path: String,
    state: Arc<Mutex<State>>,
}

impl FakeBucket {
    /// Starts a bucket called `name` that speaks S3, with path-style URLs.
    ///
    /// # Errors
    ///
    /// Fails when no port can be bound.
    pub async fn start_s3(name: &str, keys: S3Keys) -> io::Result<Self> {
        Self::start(name, format!("/{name}"), Protocol::S3(keys)).await
    }

    /// Starts a container called `name` that speaks Azure Blob Storage. As with the emulator of Azure, the first
    /// segment of the path is the name of the account.
    ///
    /// # Errors
    ///
    /// Fails when no port can be bound.
    pub async fn start_azure(name: &str, keys: AzureKeys) -> io::Result<Self> {
        Self::start(name, format!("/{}/{name}", keys.account), Protocol::Azure(keys)).await
    }

    /// Starts a bucket called `name` that speaks the XML interface of Google and accepts one access token.
    ///
    /// # Errors
    ///
    /// Fails when no port can be bound.
    pub async fn start_google(name: &str, token: &str) -> io::Result<Self> {
        Self::start(name, format!("/{name}"), Protocol::Google(token.to_owned())).await
    }

    async fn start(name: &str, base_path: String, protocol: Protocol) -> io::Result<Self> {
        let state = Arc::new(Mutex::new(State::default()));
        let server = Server { base_path: base_path.clone(), protocol, state: Arc::clone(&state) };
        let address =
            http_server::listen(Ipv4Addr::LOCALHOST, move |parts, body| server.answer(&parts, &body)).await?;
        Ok(Self { address, name: name.to_owned(), base_path, state })
    }

    /// Returns the URL of the service, without the bucket.
    pub fn endpoint(&self) -> String {
        let service = self.base_path.rsplit_once('/').map_or("", |(service, _)| service);
        format!("http://{}{service}", self.address)
    }

    /// Returns the object with the given key, if it exists.
    pub fn object(&self, key: &str) -> Option<FakeObject> {
        self.state().objects.get(key).cloned()
    }

    /// Returns the keys of all objects, in alphabetical order.
    pub fn keys(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }

    /// Puts an object into the bucket without a request.
    pub fn insert(&self, key: &str, bytes: Bytes, modified: SystemTime) {
        let object = FakeObject { headers: HeaderMap::new(), bytes, modified };
        self.state().objects.insert(key.to_owned(), object);
    }

    /// Returns all requests that arrived so far.
    pub fn requests(&self) -> Vec<BucketRequest> {
        self.state().requests.clone()
    }

    /// Answers the next request with the given status and error code. Several calls prepare the answers to
    /// several requests.
    pub fn fail_next(&self, status: u16, code: &str) {
        self.state().failures.push_back(Failure { status, code: code.to_owned() });
    }

    /// Answers every request with the given status and error code, until [`Self::end_outage`].
    pub fn begin_outage(&self, status: u16, code: &str) {
        self.state().outage = Some(Failure { status, code: code.to_owned() });
    }

    /// Ends the outage of [`Self::begin_outage`].
    pub fn end_outage(&self) {
        self.state().outage = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the lock panics")
    }
}

struct Server {
    base_path: String,
    protocol: Protocol,
    state: Arc<Mutex<State>>,
}

impl Server {
    fn answer(&self, request: &Parts, body: &Bytes) -> Response<Full<Bytes>> {
        let mut state = self.state.lock().expect("no holder of the lock panics");
        let failure = state.failures.pop_front().or_else(|| state.outage.clone());
        let mut refusal = None;
        let response = match failure {
            Some(failure) => error(failure.status, &failure.code),
            None => match self.verify(request, body) {
                Ok(()) => self.serve(&mut state, request, body),
                Err(reason) => {
                    refusal = Some(reason);
                    let code = match self.protocol {
                        Protocol::S3(_) | Protocol::Google(_) => "SignatureDoesNotMatch",
                        Protocol::Azure(_) => "AuthenticationFailed",
                    };
                    error(403, code)
                }
            },
        };
        state.requests.push(BucketRequest {
            method: request.method.clone(),
            target: request.uri.to_string(),
            status: response.status().as_u16(),
            refusal,
        });
        response
    }

    fn verify(&self, request: &Parts, body: &[u8]) -> Result<(), String> {
        match &self.protocol {
            Protocol::S3(keys) => sigv4::verify(request, body, keys),
            Protocol::Azure(keys) => shared_key::verify(request, keys),
            Protocol::Google(token) => {
                let given = request.headers.get("authorization").and_then(|value| value.to_str().ok());
                match given == Some(&format!("Bearer {token}")) {
                    true => Ok(()),
                    false => Err(format!("the authorization is {given:?}")),
                }
            }
        }
    }

    fn serve(&self, state: &mut State, request: &Parts, body: &Bytes) -> Response<Full<Bytes>> {
        let no_container = match self.protocol {
            Protocol::S3(_) | Protocol::Google(_) => "NoSuchBucket",
            Protocol::Azure(_) => "ContainerNotFound",
        };
        let Some(rest) = request.uri.path().strip_prefix(&self.base_path) else {
            return error(404, no_container);
        };
        let key = match rest.strip_prefix('/') {
            Some(key) if !key.is_empty() => percent_decode(key),
            _ if rest.is_empty() || rest == "/" => return xml::list(&state.objects, request),
            _ => return error(404, no_container),
        };
        match request.method {
            Method::PUT => {
                if request.headers.contains_key("if-none-match") && state.objects.contains_key(&key) {
                    return error(412, "PreconditionFailed");
                }
                let modified = now();
                state.objects.insert(
                    key,
                    FakeObject { headers: request.headers.clone(), bytes: body.clone(), modified },
                );
                let status = match self.protocol {
                    Protocol::S3(_) | Protocol::Google(_) => StatusCode::OK,
                    Protocol::Azure(_) => StatusCode::CREATED,
                };
                with_header(respond(status, Bytes::new()), "etag", "\"1\"")
            }
            Method::GET | Method::HEAD => match state.objects.get(&key) {
                Some(object) => download(object, request),
                None => error(404, "NoSuchKey"),
            },
            Method::DELETE => {
                state.objects.remove(&key);
                respond(StatusCode::NO_CONTENT, Bytes::new())
            }
            _ => error(405, "MethodNotAllowed"),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "signatures of the client carry the time of this machine")]
fn now() -> SystemTime {
    SystemTime::now()
}
