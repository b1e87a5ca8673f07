//! Origins that send nothing or hang up before a complete response.

use super::{Endpoint, HostileOrigin, UNREACHABLE, at, origin, slow};
use crate::script::Action::{self, Drip, HalfClose, Hang, ReadByte, ReadRequest};

pub(super) fn origins() -> Vec<HostileOrigin> {
    let part = || Action::send("HTTP/1.1 200 O");
    let head = || Action::send("HTTP/1.1 200 OK\r\ncontent-ty");
    let failed: &[_] = &[UNREACHABLE];
    vec![
        at("refuses connections", Endpoint::ClosedPort, failed),
        slow("sends nothing", vec![Hang]),
        slow("reads the request and sends nothing", vec![ReadRequest, Hang]),
        origin("resets the connection before the response", vec![ReadByte], failed),
        origin("hangs up before the response", vec![ReadRequest], failed),
        origin("half-closes before the response", vec![ReadRequest, HalfClose, Hang], failed),
        origin("resets the connection within the status line", vec![ReadByte, part()], failed),
        origin("hangs up within the status line", vec![ReadRequest, part()], failed),
        origin("half-closes within the status line", vec![ReadRequest, part(), HalfClose, Hang], failed),
        slow("stops within the status line", vec![ReadRequest, part(), Hang]),
        slow("drips the status line", vec![ReadRequest, part(), Drip(b"K".to_vec())]),
        origin("resets the connection within the headers", vec![ReadByte, head()], failed),
        origin("hangs up within the headers", vec![ReadRequest, head()], failed),
        slow("stops within the headers", vec![ReadRequest, head(), Hang]),
    ]
}
