//! Removes the secrets from URLs before the URLs are written to logs, to debug output or to answers.

use url::Url;

/// Replaces the user name and the password of a URL by `***`, for answers of the API. A text that is not a
/// URL becomes `***`. The query is kept, because users recognise their webhooks by the query of the URL.
pub fn without_credentials(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return "***".to_owned() };
    if has_credentials(&url) {
        // Setting the user name fails only for a URL without a host, and such a URL has no credentials.
        let hidden = url.set_password(None).and_then(|()| url.set_username("***"));
        if hidden.is_err() {
            return "***".to_owned();
        }
    }
    url.into()
}

/// Replaces the credentials and the query of a URL by `***`, for debug output. A query often contains a
/// signature or a token.
pub fn without_secrets(url: &Url) -> String {
    let credentials = if has_credentials(url) { "***@" } else { "" };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let query = if url.query().is_some() { "?***" } else { "" };
    let (scheme, host, path) = (url.scheme(), url.host_str().unwrap_or_default(), url.path());
    format!("{scheme}://{credentials}{host}{port}{path}{query}")
}

/// Returns whether the URL has a user name or a password.
pub fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hiding_the_credentials_in_a_url_keeps_the_query_of_the_url() {
        for (url, expected) in [
            ("https://example.com/x?key=1", "https://example.com/x?key=1"),
            ("https://user@example.com/", "https://***@example.com/"),
            ("https://:word@example.com/", "https://***@example.com/"),
            ("https://a:b@example.com:8443/p", "https://***@example.com:8443/p"),
            ("no URL with a:secret@host", "***"),
        ] {
            assert_eq!(without_credentials(url), expected);
        }
    }
}
