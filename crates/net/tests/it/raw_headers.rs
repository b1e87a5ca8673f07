//! Tests of response headers that contain raw bytes outside ASCII. Browsers accept such headers, so some
//! servers send them.

use http::HeaderMap;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::{Action, respond};

use super::fetch::LIMITS;
use super::{OK, error_kind, net};

/// The script of a receiver that responds with a redirect whose `Location` header contains the given raw
/// bytes.
fn redirect(location: &[u8]) -> Vec<Action> {
    respond([b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: ", location, b"\r\n\r\n"].concat())
}

#[tokio::test]
async fn a_redirect_location_in_raw_utf8_or_latin1_is_followed_with_the_same_bytes() {
    let net = net(&["127.0.0.0/8"]);
    for (location, expected) in [
        ("/caf\u{e9}.png?a=\u{e9}".as_bytes(), "GET /caf%C3%A9.png?a=%C3%A9 HTTP/1.1"),
        (b"/caf\xe9.png?a=\xe9", "GET /caf%E9.png?a=%E9 HTTP/1.1"),
        (b"/a%20b c", "GET /a%20b%20c HTTP/1.1"),
        ("b/\u{65e5}".as_bytes(), "GET /a/b/%E6%97%A5 HTTP/1.1"),
    ] {
        let receiver = ScriptedReceiver::start(vec![redirect(location), respond(OK)]);
        net.fetch(&receiver.url("/a/a"), HeaderMap::new(), LIMITS, &mut |_| true).await.unwrap();
        assert_eq!(receiver.requests()[1].request_line, expected);
    }
    let receiver = ScriptedReceiver::start(vec![redirect(b"http://caf\xe9.example/")]);
    let error = net.fetch(&receiver.url("/"), HeaderMap::new(), LIMITS, &mut |_| true).await.unwrap_err();
    assert_eq!(error_kind(&error), "bad_url", "a Latin-1 host is no host name");
}

#[tokio::test]
async fn a_file_name_in_a_content_disposition_header_in_raw_utf8_or_latin1_is_decoded() {
    let net = net(&["127.0.0.0/8"]);
    for name in ["caf\u{e9}.png".as_bytes(), b"caf\xe9.png"] {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-disposition: attachment; filename=\"";
        let receiver = ScriptedReceiver::start(vec![respond([head, name, b"\"\r\n\r\nok"].concat())]);
        let fetched = net.fetch(&receiver.url("/"), HeaderMap::new(), LIMITS, &mut |_| true).await.unwrap();
        assert_eq!(fetched.file_name.as_deref(), Some("caf\u{e9}.png"));
    }
}
