//! Origins that redirect without an end, to forbidden addresses, or to no URL.

use super::{Endpoint, HostileOrigin, REFUSED, UNREACHABLE, at, origin};
use crate::script::Action::{self, Flood, Hang, ReadRequest};
use crate::script::{respond_status, respond_with};

/// The error word of an answer when a redirect leads to something that is no usable URL.
const INVALID: &str = "invalid_request";

fn to(location: &str) -> Vec<Action> {
    respond_with(&format!("HTTP/1.1 302 Found\nlocation: {location}\ncontent-length: 0"), "")
}

pub(super) fn origins() -> Vec<HostileOrigin> {
    let failed: &[_] = &[UNREACHABLE];
    let refused: &[_] = &[REFUSED];
    let long_path = format!("/{}", "x".repeat(50 * 1024));
    let endless_body = vec![
        ReadRequest,
        Action::send("HTTP/1.1 302 Found\r\nlocation: /\r\n\r\n"),
        Flood(vec![b'x'; 16 * 1024]),
    ];
    vec![
        origin("redirects to itself", to("/"), refused),
        origin("redirects to itself with an endless body", endless_body, refused),
        HostileOrigin {
            ends_at_deadline: true,
            ..at("redirects and sends nothing more", Endpoint::Http(vec![to("/"), vec![Hang]]), failed)
        },
        origin("redirects to a private address", to("http://10.0.0.1/"), failed),
        origin("redirects to the metadata service", to("http://169.254.169.254/latest/meta-data/"), failed),
        origin("redirects to a mapped address", to("http://[::ffff:169.254.169.254]/"), failed),
        origin("redirects to a number that is an address", to("http://2852039166/"), failed),
        origin("redirects to the port of a database", to("http://192.0.1.1:5432/"), failed),
        origin("redirects to a file", to("file:///etc/passwd"), &[INVALID]),
        origin("redirects to no URL", to("http://[/"), &[INVALID]),
        origin(
            "redirects without a location",
            respond_with("HTTP/1.1 302 Found\ncontent-length: 0", ""),
            refused,
        ),
        at(
            "redirects to a URL of 50 KiB",
            Endpoint::Http(vec![to(&long_path), respond_status(404)]),
            refused,
        ),
    ]
}
