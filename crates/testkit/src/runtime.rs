//! The background runtime on which scripted receivers and proxies run. Because of this runtime, they respond
//! even while a test blocks its own runtime, and their timers run even while a test has paused the clock of
//! its own runtime.

use std::net::{SocketAddr, TcpListener as StdListener, ToSocketAddrs};
use std::sync::LazyLock;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// The number of threads of the background runtime. With several threads, one receiver that sends without a
/// pause cannot block all other receivers.
const N_THREADS: usize = 2;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_multi_thread();
    let builder = builder.worker_threads(N_THREADS).thread_name("testkit").enable_all();
    builder.build().expect("the machine can start threads")
});

/// Listens on `address` and runs the function `serve` for every connection until the process ends. `serve`
/// gets the stream and the number of the connection, counted from 0. Returns the address on which the
/// listener is bound.
pub(crate) fn listen<F, S>(address: impl ToSocketAddrs, serve: F) -> SocketAddr
where
    F: FnMut(TcpStream, usize) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    accept_from(StdListener::bind(address).expect("the address has a free port"), serve)
}

/// Like [`listen`], but with a socket that is already bound.
pub(crate) fn accept_from<F, S>(listener: StdListener, mut serve: F) -> SocketAddr
where
    F: FnMut(TcpStream, usize) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    listener.set_nonblocking(true).expect("a new socket can be made non-blocking");
    let address = listener.local_addr().expect("a bound socket has an address");
    RUNTIME.spawn(async move {
        let listener = TcpListener::from_std(listener).expect("the listener is non-blocking");
        for n in 0.. {
            // Accepting a connection fails when the process has no free file descriptor. New clients then get
            // no connection.
            let Ok((stream, _)) = listener.accept().await else { return };
            // TCP_NODELAY is set, because without it a response may wait 40 ms for an acknowledgement. An
            // error of setting the option is ignored, because it only makes tests slower.
            let _refused = stream.set_nodelay(true);
            RUNTIME.spawn(serve(stream, n));
        }
    });
    address
}

/// Runs a task until the process ends.
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    RUNTIME.spawn(task);
}
