//! The emulators of object storage that tests use, if the environment names them.

use std::net::SocketAddr;

use http::Method;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential};
use object_store::client::{HttpRequest, HttpRequestBody};
use pixaven_testkit::wire_client::{WireResponse, send};
use url::Url;

/// The account of the emulator of Azure. Its key is published.
pub(crate) const AZURE_ACCOUNT: &str = "devstoreaccount1";
/// The published key of the account of the emulator of Azure.
pub(crate) const AZURE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A running emulator.
pub(crate) struct Emulator {
    /// The URL of the service without a slash at its end.
    pub(crate) url: String,
    address: SocketAddr,
}

/// Returns the emulator whose URL is in the environment variable `variable`. Without the variable, the test is
/// skipped, unless `PIXAVEN_REQUIRE_EMULATORS` is set.
fn emulator(variable: &str) -> Option<Emulator> {
    let Some(url) = std::env::var_os(variable) else {
        let required = std::env::var_os("PIXAVEN_REQUIRE_EMULATORS").is_some();
        assert!(!required, "{variable} must be the URL of an emulator");
        eprintln!("SKIPPED: a test with an emulator. Set {variable} to the URL of the emulator.");
        return None;
    };
    let url = url.into_string().expect("the URL of an emulator is ASCII");
    let parsed = Url::parse(&url).expect("the variable contains a URL");
    let address = parsed.socket_addrs(|| None).expect("the emulator has an address")[0];
    Some(Emulator { url: url.trim_end_matches('/').to_owned(), address })
}

/// Returns the emulator of S3 (moto), which accepts all keys.
pub(crate) fn s3() -> Option<Emulator> {
    emulator("PIXAVEN_S3_EMULATOR")
}

/// Returns the emulator of Azure Blob Storage (azurite), which checks signatures.
pub(crate) fn azure() -> Option<Emulator> {
    emulator("PIXAVEN_AZURE_EMULATOR")
}

impl Emulator {
    /// Creates an empty bucket of S3.
    pub(crate) async fn create_bucket(&self, name: &str) {
        let response = send(self.address, "PUT", &format!("/{name}"), &[], b"").await;
        assert_eq!(response.status, 200, "the bucket {name} is created");
    }

    /// Reads an object of a bucket. `path` begins with the name of the bucket.
    pub(crate) async fn s3_object(&self, path: &str) -> WireResponse {
        let path = format!("/{path}");
        let mut request = self.request(&Method::GET, &path);
        let credential = AwsCredential { key_id: "K".to_owned(), secret_key: "S".to_owned(), token: None };
        let signed = AwsAuthorizer::new(&credential, "s3", "us-east-1").try_authorize(&mut request, None);
        signed.expect("the request can be signed");
        self.send(&request, &path).await
    }

    /// Creates an empty container of Azure.
    pub(crate) async fn create_container(&self, name: &str) {
        let path = format!("/{AZURE_ACCOUNT}/{name}?restype=container");
        let response = self.azure_request(Method::PUT, &path).await;
        assert_eq!(response.status, 201, "the container {name} is created");
    }

    /// Reads an object of Azure. `path` begins with the name of the container.
    pub(crate) async fn azure_object(&self, path: &str) -> WireResponse {
        self.azure_request(Method::GET, &format!("/{AZURE_ACCOUNT}/{path}")).await
    }

    async fn azure_request(&self, method: Method, path: &str) -> WireResponse {
        let mut request = self.request(&method, path);
        let key = AzureAccessKey::try_new(AZURE_KEY).expect("the published key is valid");
        let credential = AzureCredential::AccessKey(key);
        let signed = AzureAuthorizer::new(&credential, AZURE_ACCOUNT).try_authorize(&mut request);
        signed.expect("the request can be signed");
        self.send(&request, path).await
    }

    fn request(&self, method: &Method, path: &str) -> HttpRequest {
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = method.clone();
        *request.uri_mut() = format!("http://{}{path}", self.address).parse().expect("the path is valid");
        request
    }

    async fn send(&self, request: &HttpRequest, path: &str) -> WireResponse {
        let headers: Vec<(&str, &str)> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().expect("a header is ASCII")))
            .collect();
        send(self.address, request.method().as_str(), path, &headers, b"").await
    }
}

/// Returns a name for a bucket that no other test and no earlier run has used.
pub(crate) fn unique_name(prefix: &str) -> String {
    format!("{prefix}-{}", uuid::Uuid::new_v4().simple())
}
