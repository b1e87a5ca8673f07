//! Tests the real binary over TLS with the unmodified official Python client. The client always calls
//! `https://api.pixaven.com`. This test therefore starts a proxy that tunnels the client's connections to the
//! test server, and makes the client trust the certificate of the test server.
//!
//! The variable `PIXAVEN_PYTHON` must name an interpreter that has the package `pixaven`. If the variable is
//! not set, the test prints that it is skipped, or fails if `PIXAVEN_REQUIRE_CLIENTS` is set.

use pixaven_testkit::proxy::ForwardProxy;
use pixaven_testkit::tls::write_self_signed;
use tempfile::TempDir;
use tokio::process::Command;

use crate::binary::{API_HOST, RunningBinary};
use crate::test_images::documented_jpeg;

const SCRIPT: &str = r#"
import io, json, sys
from pixaven import pixaven
key, path, out = sys.argv[1:4]
report = {}
error, data = pixaven(key).upload(path).resize({'width': 100, 'height': 75}).toJSON()
report['json'] = {'error': error, 'data': data}
error, meta, *_ = pixaven(key).upload(path).resize({'width': 64}).output({'format': 'png'}).toFile(out)
report['file'] = {'error': error, 'meta': meta}
error, meta, buffer = pixaven(key).upload(io.BytesIO(open(path, 'rb').read())).resize({'width': 32}).toBuffer()
report['buffer'] = {'error': error, 'meta': meta, 'bytes': len(buffer)}
error, data = pixaven(key).upload(path).resize({'mode': 'force-error'}).toJSON()
report['bad value'] = {'error': error, 'data': data}
error, meta, *_ = pixaven(key).upload(path).resize({'mode': 'force-error'}).toFile(out + '.never')
report['bad value, file'] = {'error': error, 'meta': meta}
error, data = pixaven('pxv_wrong').upload(path).toJSON()
report['bad key'] = {'error': error, 'data': data}
print(json.dumps(report))
"#;

#[tokio::test]
async fn the_unmodified_official_python_client_works_with_the_server() {
    let Some(python) = std::env::var_os("PIXAVEN_PYTHON") else {
        let required = std::env::var_os("PIXAVEN_REQUIRE_CLIENTS").is_some();
        assert!(!required, "PIXAVEN_PYTHON must name an interpreter with the package pixaven");
        eprintln!(
            "SKIPPED: the official Python client. Set PIXAVEN_PYTHON to an interpreter with the package pixaven."
        );
        return;
    };
    let directory = TempDir::new().expect("a temporary directory can be created");
    let image = directory.path().join("in.jpg");
    std::fs::write(&image, documented_jpeg()).expect("the directory is writable");
    write_self_signed(directory.path(), API_HOST);
    let tls = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let server = RunningBinary::serve(directory.path(), &tls).await;
    let proxy = ForwardProxy::start_to(server.address());
    let out = directory.path().join("out.png");

    let output = Command::new(python)
        .arg("-c")
        .arg(SCRIPT)
        .arg(&server.key)
        .args([&image, &out])
        .env("HTTPS_PROXY", proxy.url())
        .env("REQUESTS_CA_BUNDLE", directory.path().join("cert.pem"))
        .output()
        .await
        .expect("the interpreter can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    drop(server);

    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("the script prints JSON");
    assert_eq!(report["json"]["error"], serde_json::Value::Null, "{report}");
    let response = &report["json"]["data"];
    assert_eq!((&response["output"]["width"], &response["output"]["height"]), (&100.into(), &75.into()));
    let url = response["output"]["url"].as_str().expect("the response has a download URL");
    assert!(url.starts_with("https://api.pixaven.com/dl/") && url.ends_with("/in.jpg"), "{url}");
    assert_eq!(report["file"]["meta"]["output"]["format"], "PNG", "{report}");
    let written = std::fs::read(&out).expect("toFile wrote the image");
    assert_eq!(report["file"]["meta"]["output"]["bytes"], written.len());
    assert!(written.starts_with(b"\x89PNG"));
    assert_eq!(report["buffer"]["meta"]["output"]["bytes"], report["buffer"]["bytes"]);
    for failed in ["bad value", "bad value, file"] {
        assert!(
            report[failed]["error"].as_str().is_some_and(|text| text.contains("resize.mode")),
            "{report}"
        );
    }
    assert!(!out.with_extension("png.never").exists(), "toFile writes no file for an error");
    assert!(report["bad key"]["error"].as_str().is_some_and(|text| text.contains("API key")), "{report}");
}
