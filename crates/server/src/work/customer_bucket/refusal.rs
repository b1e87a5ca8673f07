//! Says in our words why a provider did not store an object. The texts of the provider are not repeated, because
//! they may contain anything, such as the access key.

use http::StatusCode;
use pixaven_net::HttpResponse;

use crate::work::store_failure::StoreFailure;

/// The error codes of the providers that customers meet, each with its meaning. S3 and Azure use different codes
/// for the same reason.
const REASONS: &[(&[&str], &str)] = &[
    (
        &["NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted", "NoSuchKey", "ResourceNotFound"],
        "the bucket or container does not exist",
    ),
    (&["InvalidAccessKeyId", "NotSignedUp"], "the access key `store.key` is unknown"),
    (
        &["SignatureDoesNotMatch", "AuthenticationFailed", "InvalidAuthenticationInfo"],
        "the keys in `store` are wrong: the signature does not match",
    ),
    (
        &[
            "AccessDenied",
            "AllAccessDisabled",
            "AuthorizationFailure",
            "AuthorizationPermissionMismatch",
            "InsufficientAccountPermissions",
            "Unauthorized",
        ],
        "the access key has no permission to write the object, or to set its ACL",
    ),
    (&["AccessControlListNotSupported"], "the bucket accepts no ACL; set `store.acl` to none"),
    (&["InvalidStorageClass", "InvalidHeaderValue"], "the provider does not know `store.class` or a header"),
    (
        &["AccountProblem", "AccountIsDisabled", "UserSuspended", "InvalidPayer"],
        "the provider has suspended the account",
    ),
    (
        &["QuotaExceeded", "QuotaExceededException", "StorageQuotaExceeded"],
        "the quota of the bucket is used up",
    ),
    (&["EntityTooLarge", "RequestBodyTooLarge"], "the result is larger than the provider accepts"),
    (&["MetadataTooLarge"], "`store.metadata` is larger than the provider accepts"),
    (
        &["KeyTooLongError", "InvalidUri", "InvalidResourceName", "InvalidBlobName"],
        "the provider does not accept the key `store.path`",
    ),
    (&["InvalidBucketName", "InvalidContainerName"], "the provider does not accept the name of the bucket"),
    (
        &[
            "PermanentRedirect",
            "TemporaryRedirect",
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException",
        ],
        "the bucket is in another region than `store.region`",
    ),
    (
        &["BlobImmutableDueToPolicy", "ObjectLocked", "InvalidObjectState"],
        "the object exists and must not be replaced",
    ),
    (&["RequestTimeTooSkewed"], "the clocks of this server and of the provider differ"),
];
/// The error codes of a provider that asks for a later repetition, although the status is not 5xx.
const PASSING: &[&str] =
    &["SlowDown", "RequestTimeout", "OperationAborted", "ServerBusy", "RequestTimeTooSkewed"];
/// The longest error code of a provider that is repeated in a message, in bytes.
const MAX_CODE_BYTES: usize = 64;

/// Interprets the answer of a provider to a request that did not succeed.
pub(super) fn failure(response: &HttpResponse) -> StoreFailure {
    let body = String::from_utf8_lossy(&response.body);
    let header_code = response.headers.get("x-ms-error-code").and_then(|code| code.to_str().ok());
    let code = header_code.or_else(|| xml_text(&body, "Code")).filter(|code| is_name(code));
    let status = response.status;
    if may_pass(status, code) {
        return StoreFailure::Unavailable(match code {
            Some(code) => format!("the provider answered with status {} ({code})", status.as_u16()),
            None => format!("the provider answered with status {}", status.as_u16()),
        });
    }
    let reason = code.and_then(|code| REASONS.iter().find(|(codes, _)| codes.contains(&code)));
    let region = response.headers.get("x-amz-bucket-region").and_then(|region| region.to_str().ok());
    let region = region.or_else(|| xml_text(&body, "Region")).filter(|region| is_name(region));
    let text = match (reason, code) {
        (Some((_, reason)), Some(code)) => match region.filter(|_| reason.contains("another region")) {
            Some(region) => format!("{reason}: it is in {region} ({code})"),
            None => format!("{reason} ({code})"),
        },
        (_, Some(code)) => format!("the provider answered with status {} ({code})", status.as_u16()),
        (_, None) => format!("the provider answered with status {}", status.as_u16()),
    };
    StoreFailure::Refused(text)
}

fn may_pass(status: StatusCode, code: Option<&str>) -> bool {
    // A service that lacks a feature, such as ACLs, answers 501 and always will.
    let is_passing_status = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
    is_passing_status
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
        || code.is_some_and(|code| PASSING.contains(&code))
}

/// Returns the text of the first element called `name` in an XML document that has this element without
/// attributes and without inner elements.
fn xml_text<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once('<').map(|(text, _)| text.trim())
}

fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=MAX_CODE_BYTES).contains(&text.len()) && text.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> HttpResponse {
        let headers = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
        });
        HttpResponse {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::from_iter(headers),
            body: body.into(),
        }
    }

    #[test]
    fn the_reason_of_a_refused_object_is_given_in_our_words_with_the_code_of_the_provider() {
        for (answer, expected) in [
            (
                answer(
                    404,
                    &[],
                    "<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>x</Message></Error>",
                ),
                "the bucket or container does not exist (NoSuchBucket)",
            ),
            (
                answer(
                    403,
                    &[],
                    "<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>AKIA1</AWSAccessKeyId></Error>",
                ),
                "the keys in `store` are wrong: the signature does not match (SignatureDoesNotMatch)",
            ),
            (
                answer(
                    403,
                    &[("x-ms-error-code", "AuthenticationFailed")],
                    "<Error><Code>Other</Code></Error>",
                ),
                "the keys in `store` are wrong: the signature does not match (AuthenticationFailed)",
            ),
            (
                answer(
                    301,
                    &[("x-amz-bucket-region", "eu-west-3")],
                    "<Error><Code>PermanentRedirect</Code></Error>",
                ),
                "the bucket is in another region than `store.region`: it is in eu-west-3 (PermanentRedirect)",
            ),
            (
                answer(
                    400,
                    &[],
                    "<Error><Code>AuthorizationHeaderMalformed</Code><Region>us-east-2</Region></Error>",
                ),
                "the bucket is in another region than `store.region`: it is in us-east-2 (AuthorizationHeaderMalformed)",
            ),
            (
                answer(501, &[], "<Code>NotImplemented</Code>"),
                "the provider answered with status 501 (NotImplemented)",
            ),
            (answer(418, &[], "<Code>a b <c></Code> secret"), "the provider answered with status 418"),
        ] {
            let failure = failure(&answer);
            assert!(!failure.may_pass(), "{failure}");
            assert_eq!(failure.to_string(), format!("the bucket refuses the result: {expected}"));
        }
    }

    #[test]
    fn a_provider_that_fails_or_asks_for_a_pause_may_take_the_object_later() {
        for answer in [
            answer(500, &[], ""),
            answer(503, &[], "<Error><Code>SlowDown</Code></Error>"),
            answer(429, &[], ""),
            answer(400, &[], "<Error><Code>RequestTimeout</Code></Error>"),
            answer(409, &[], "<Error><Code>OperationAborted</Code></Error>"),
        ] {
            assert!(failure(&answer).may_pass(), "{}", answer.status);
        }
    }
}
