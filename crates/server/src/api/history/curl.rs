//! A curl command that repeats the last attempt of a webhook, for somebody who debugs a receiver. The command
//! leaves out the secrets: the credentials of the URL, the headers that the request declared for its webhook,
//! and the signature. A receiver would refuse the signature anyway, because its timestamp would be too old.

use pixaven_ledger::WebhookRecord;
use url::Url;

/// Formats the curl command as one line of shell. The line contains the payload of the webhook byte for byte.
pub(super) fn line(record: &WebhookRecord, payload: &str) -> String {
    let number = record.attempts.last().map_or(1, |last| last.number);
    let headers = [
        "Content-Type: application/json".to_owned(),
        "User-Agent: Pixaven/1.0 (+webhooks)".to_owned(),
        format!("webhook-id: {}", record.id),
        format!("webhook-attempt: {number}"),
    ];
    let headers: String = headers.iter().map(|header| format!(" -H {}", shell_quoted(header))).collect();
    format!(
        "curl -i -X POST {}{headers} --data-binary {}",
        shell_quoted(&url_without_credentials(&record.url)),
        shell_quoted(payload)
    )
}

/// Removes the user name and the password from a URL. A placeholder such as `***` does not replace them,
/// because curl would send the placeholder as a user name.
fn url_without_credentials(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return String::new() };
    // `set_username` and `set_password` fail only for a URL without a host, and such a URL has no
    // credentials.
    let _without = url.set_password(None).and_then(|()| url.set_username(""));
    url.into()
}

/// Quotes a text as one word of a POSIX shell.
fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_each_argument_of_the_curl_command_that_repeats_a_webhook_attempt_as_one_word() {
        for text in ["", "a b", "it's", r#"$HOME `id` \ "x" !"#, "a\nb", "'''", "\u{e9}"] {
            let script = format!("printf %s {}", shell_quoted(text));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }

    #[test]
    fn the_curl_command_that_repeats_a_webhook_attempt_contains_no_credentials_of_the_url() {
        assert_eq!(
            url_without_credentials("https://us%40er:word@example.com/x?y=1"),
            "https://example.com/x?y=1"
        );
        assert_eq!(url_without_credentials("no URL with a:secret@host"), "");
    }
}
