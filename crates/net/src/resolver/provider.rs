//! The DNS client of the crate `hickory-resolver`, with one UDP socket for each query.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use hickory_resolver::config::{ConnectionConfig, ProtocolConfig};
use hickory_resolver::net::NetError as DnsNetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::udp::UdpClientStream;
use hickory_resolver::net::xfer::DnsExchange;
use hickory_resolver::{ConnectionProvider, PoolContext, Resolver};

/// The DNS client. The client has no cache, because [`super::answers`] remembers the answers.
pub(super) type DnsClient = Resolver<OneSocketPerQuery>;

/// Opens the connections to name servers.
///
/// The provider of the crate repeats an unanswered UDP query every third of a second and opens a socket for
/// each repetition, so that a few hundred silent names would use up the file descriptors of this process.
/// This provider sends a UDP query once. The DNS client repeats the query when the timeout of the query has
/// passed.
#[derive(Clone, Default)]
pub(super) struct OneSocketPerQuery {
    tokio: TokioRuntimeProvider,
}

impl ConnectionProvider for OneSocketPerQuery {
    type Conn = DnsExchange<TokioRuntimeProvider>;
    type FutureConn = Pin<Box<dyn Future<Output = Result<Self::Conn, DnsNetError>> + Send>>;
    type RuntimeProvider = TokioRuntimeProvider;

    fn new_connection(
        &self,
        ip: IpAddr,
        config: &ConnectionConfig,
        context: &PoolContext,
    ) -> Result<Self::FutureConn, DnsNetError> {
        if !matches!(config.protocol, ProtocolConfig::Udp) {
            return self.tokio.new_connection(ip, config, context);
        }
        let address = SocketAddr::new(ip, config.port);
        let udp = UdpClientStream::builder(address, self.tokio.clone())
            .with_timeout(Some(context.options.timeout))
            .with_max_retries(0);
        Ok(Box::pin(async move { Ok(udp.exchange()) }))
    }

    fn runtime_provider(&self) -> &TokioRuntimeProvider {
        &self.tokio
    }
}
