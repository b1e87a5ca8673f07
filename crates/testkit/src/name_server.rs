//! A DNS server over UDP and TCP. A function of the test decides each reply: an
//! address, an error, silence, a truncated reply, or another reply for the same question the next time.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener as StdListener, UdpSocket as StdUdpSocket};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::watch;

use crate::runtime;

/// The largest UDP query that is read, in bytes.
const MAX_QUERY_BYTES: usize = 1232;

/// The record types of questions for addresses (RFC 1035 and RFC 3596).
const A: u16 = 1;
const AAAA: u16 = 28;
/// The record type of the start of a zone of authority.
const SOA: u16 = 6;

/// The bits of a response with recursion (RFC 1035, section 4.1.1): response, recursion desired, recursion
/// available.
const RESPONSE_FLAGS: u16 = 0x8180;
/// The flag for a truncated response.
const TRUNCATED: u16 = 0x0200;
/// The pointer to the name of the question, which begins after the header of 12 bytes.
const QUESTION_POINTER: u16 = 0xc00c;

/// A question for the addresses of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The name in lower case, without a dot at its end. The root is the empty text.
    pub name: String,
    /// Whether the question is for IPv6 addresses. Other questions, such as the question for the name servers
    /// of the root, count as questions for IPv4 addresses.
    pub is_ipv6: bool,
    /// How often the same question was asked before.
    pub n_earlier: usize,
    /// Whether the question arrived over TCP.
    pub is_tcp: bool,
}

/// The reply to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The name has these addresses. Those of the other address family are left out.
    Addresses {
        /// IPv4 and IPv6 addresses.
        addresses: Vec<IpAddr>,
        /// The time to live, in seconds. It also holds for the answer that a family has no address.
        ttl_s: u32,
    },
    /// The name does not exist (NXDOMAIN). The time to live of this answer is a minute.
    NoSuchName,
    /// The server fails (SERVFAIL).
    Failure,
    /// The server refuses the question (REFUSED).
    Refusal,
    /// The server does not reply.
    Silence,
    /// The reply over UDP is truncated, and the reply over TCP is the given reply.
    OnlyOverTcp(Box<Reply>),
}

impl Reply {
    /// A reply with one address of the loopback interface and a time to live of a minute.
    pub fn loopback() -> Self {
        Self::Addresses { addresses: vec![Ipv4Addr::LOCALHOST.into()], ttl_s: 60 }
    }
}

/// A running DNS server. It replies until the process ends.
pub struct NameServer {
    /// The address of the server, for UDP and TCP.
    pub address: SocketAddr,
    questions: Arc<Mutex<Vec<Question>>>,
    n_questions: watch::Receiver<usize>,
}

/// The state that all sockets of a server share.
struct Shared {
    reply: Box<dyn Fn(&Question) -> Reply + Send + Sync>,
    questions: Arc<Mutex<Vec<Question>>>,
    n_asked: Mutex<HashMap<(String, bool), usize>>,
    count: watch::Sender<usize>,
}

impl NameServer {
    /// Starts a server on a free port of the loopback interface. `reply` is called for every question, also for
    /// questions about the root.
    pub fn start(reply: impl Fn(&Question) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST, reply)
    }

    /// Starts a server like [`Self::start`], but on the given address of this machine.
    pub fn start_on(ip: Ipv4Addr, reply: impl Fn(&Question) -> Reply + Send + Sync + 'static) -> Self {
        let (count, n_questions) = watch::channel(0);
        let questions = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::new(Shared {
            reply: Box::new(reply),
            questions: Arc::clone(&questions),
            n_asked: Mutex::default(),
            count,
        });
        let over_tcp = Arc::clone(&shared);
        let (socket, listener) = bind_same_port(ip);
        let address = runtime::accept_from(listener, move |stream, _| {
            let shared = Arc::clone(&over_tcp);
            async move {
                // An error means that the client closed the connection.
                let _closed = serve_tcp(stream, &shared).await;
            }
        });
        socket.set_nonblocking(true).expect("a new socket can be made non-blocking");
        runtime::spawn(async move {
            let socket = UdpSocket::from_std(socket).expect("the socket is non-blocking");
            serve_udp(&socket, &shared).await;
        });
        Self { address, questions, n_questions }
    }

    /// Starts a server that answers with the loopback address for every name for which `is_known` is true.
    /// The server is silent about all other names except the root.
    pub fn silent_unless(is_known: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self::start(move |question| match question.name.is_empty() || is_known(&question.name) {
            true => Reply::loopback(),
            false => Reply::Silence,
        })
    }

    /// The value of the setting `network.name_servers` for this server.
    pub fn setting(&self) -> String {
        self.address.to_string()
    }

    /// Returns all questions so far, in the order of arrival.
    pub fn questions(&self) -> Vec<Question> {
        self.questions.lock().expect("no holder of the lock panics").clone()
    }

    /// Returns how many questions of both address families were asked for a name.
    pub fn n_questions_for(&self, name: &str) -> usize {
        self.questions().iter().filter(|question| question.name == name).count()
    }

    /// Waits until at least `n` questions have arrived.
    pub async fn wait_for_questions(&self, n: usize) {
        self.n_questions.clone().wait_for(|count| *count >= n).await.expect("the server runs");
    }
}

/// Binds a UDP socket and a TCP socket to the same port. Another process may use the TCP port with the number of
/// a free UDP port, so the function tries one UDP port after the other.
fn bind_same_port(ip: Ipv4Addr) -> (StdUdpSocket, StdListener) {
    loop {
        let socket = StdUdpSocket::bind((ip, 0)).expect("a UDP port is free");
        let address = socket.local_addr().expect("a bound socket has an address");
        match StdListener::bind(address) {
            Ok(listener) => return (socket, listener),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}"),
        }
    }
}

async fn serve_udp(socket: &UdpSocket, shared: &Shared) {
    let mut buffer = [0; MAX_QUERY_BYTES];
    // Receiving fails only when the socket is broken. The tests of this server then time out.
    while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
        if let Some(response) = shared.respond(&buffer[..length], false) {
            // An error is ignored, because a client may be gone.
            let _gone = socket.send_to(&response, client).await;
        }
    }
}

/// Replies to the questions of one TCP connection. Each message has its length in front of it.
async fn serve_tcp(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    loop {
        let mut query = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut query).await?;
        if let Some(response) = shared.respond(&query, true) {
            stream.write_u16(u16::try_from(response.len()).expect("a short response")).await?;
            stream.write_all(&response).await?;
        }
    }
}

impl Shared {
    /// Records the question of a query and returns the response. `None` means silence, or that the query has no
    /// question.
    fn respond(&self, query: &[u8], is_tcp: bool) -> Option<Vec<u8>> {
        let (name, question_end) = parse_name(query, 12)?;
        let record_type = u16::from_be_bytes([*query.get(question_end)?, *query.get(question_end + 1)?]);
        let raw_question = query.get(12..question_end + 4)?;
        let is_ipv6 = record_type == AAAA;
        let n_earlier = {
            let mut n_asked = self.n_asked.lock().expect("no holder of the lock panics");
            let n = n_asked.entry((name.clone(), is_ipv6)).or_default();
            *n += 1;
            *n - 1
        };
        let question = Question { name, is_ipv6, n_earlier, is_tcp };
        let reply = (self.reply)(&question);
        self.questions.lock().expect("no holder of the lock panics").push(question);
        self.count.send_modify(|n| *n += 1);
        let head = Head { id: [query[0], query[1]], raw_question, record_type };
        head.response(&reply, is_tcp)
    }
}

/// The parts of a query that its response repeats.
struct Head<'a> {
    id: [u8; 2],
    raw_question: &'a [u8],
    record_type: u16,
}

impl Head<'_> {
    fn response(&self, reply: &Reply, is_tcp: bool) -> Option<Vec<u8>> {
        match reply {
            Reply::Silence => None,
            Reply::NoSuchName => Some(self.negative(3, 60)),
            Reply::Failure => Some(self.message(2, 0, 0, &[])),
            Reply::Refusal => Some(self.message(5, 0, 0, &[])),
            Reply::OnlyOverTcp(reply) if is_tcp => self.response(reply, is_tcp),
            Reply::OnlyOverTcp(_) => Some(self.message(TRUNCATED, 0, 0, &[])),
            Reply::Addresses { addresses, ttl_s } => {
                let records = self.address_records(addresses, *ttl_s);
                match records.is_empty() {
                    true => Some(self.negative(0, *ttl_s)),
                    false => Some(self.message(0, u16::try_from(records.len()).ok()?, 0, &records.concat())),
                }
            }
        }
    }

    fn address_records(&self, addresses: &[IpAddr], ttl_s: u32) -> Vec<Vec<u8>> {
        let data = addresses.iter().filter_map(|address| match address {
            IpAddr::V4(address) if self.record_type == A => Some(address.octets().to_vec()),
            IpAddr::V6(address) if self.record_type == AAAA => Some(address.octets().to_vec()),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        });
        data.map(|data| record(&QUESTION_POINTER.to_be_bytes(), self.record_type, ttl_s, &data)).collect()
    }

    /// A negative response, with the SOA record of the root. Its last field is the time to live (RFC 2308).
    fn negative(&self, code: u16, ttl_s: u32) -> Vec<u8> {
        let numbers = [1, 1, 1, 1, ttl_s];
        let mut data = vec![0, 0];
        data.extend(numbers.iter().flat_map(|number: &u32| number.to_be_bytes()));
        self.message(code, 0, 1, &record(&[0], SOA, ttl_s, &data))
    }

    fn message(&self, flags: u16, n_answers: u16, n_authorities: u16, records: &[u8]) -> Vec<u8> {
        let counts = [RESPONSE_FLAGS | flags, 1, n_answers, n_authorities, 0];
        let mut message = self.id.to_vec();
        message.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
        message.extend_from_slice(self.raw_question);
        message.extend_from_slice(records);
        message
    }
}

/// A resource record of the class IN.
fn record(owner: &[u8], record_type: u16, ttl_s: u32, data: &[u8]) -> Vec<u8> {
    let mut record = owner.to_vec();
    record.extend(record_type.to_be_bytes());
    record.extend([0, 1]);
    record.extend(ttl_s.to_be_bytes());
    record.extend(u16::try_from(data.len()).expect("short data").to_be_bytes());
    record.extend_from_slice(data);
    record
}

/// Parses the name at an offset of a message. Returns the name, and the offset behind it.
fn parse_name(message: &[u8], mut offset: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*message.get(offset)?);
        offset += 1;
        if length == 0 {
            return Some((labels.join("."), offset));
        }
        let label = message.get(offset..offset + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        offset += length;
    }
}
