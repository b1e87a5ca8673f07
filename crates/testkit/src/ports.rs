//! Reserves and finds addresses on which no process listens.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use tokio::net::TcpSocket;

/// A reserved port that refuses connections. While this value exists, no other process can listen on the
/// port.
pub struct ClosedPort {
    /// The address that refuses connections, with the reserved port.
    pub address: SocketAddr,
    /// A socket that is bound to the port but does not listen. The socket keeps the port reserved.
    _reserved: TcpSocket,
}

impl ClosedPort {
    /// Reserves a free port of the loopback interface.
    pub fn reserve() -> Self {
        let socket = TcpSocket::new_v4().expect("the machine has a free socket");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("the loopback interface has a free port");
        let address = socket.local_addr().expect("a bound socket has an address");
        Self { address, _reserved: socket }
    }
}

/// Finds an address of the loopback interface with a free port. The port is not reserved, so another program
/// can take the port before the caller listens on it.
pub fn unused_address() -> SocketAddr {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback interface has a free port");
    listener.local_addr().expect("a bound socket has an address")
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_port_that_is_reserved_as_closed_refuses_connections() {
        let port = ClosedPort::reserve();
        let refused = TcpStream::connect(port.address).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
}
