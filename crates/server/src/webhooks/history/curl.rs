//! A line for a shell that sends what the last attempt sent, for somebody who looks for the reason why it failed. Without
//! what is secret: credentials of the URL, headers of the customer's, and the signature, which would be too old anyway.

use pixaven_ledger::WebhookRecord;
use url::Url;

/// The line. The payload is there byte for byte.
pub(super) fn line(record: &WebhookRecord, payload: &str) -> String {
    let number = record.attempts.last().map_or(1, |last| last.number);
    let headers = [
        "Content-Type: application/json".to_owned(),
        "User-Agent: Pixaven/1.0 (+webhooks)".to_owned(),
        format!("webhook-id: {}", record.id),
        format!("webhook-attempt: {number}"),
    ];
    let headers: String = headers.iter().map(|header| format!(" -H {}", quoted(header))).collect();
    format!("curl -i -X POST {}{headers} --data-binary {}", quoted(&bare(&record.url)), quoted(payload))
}

/// The URL without any credentials: with a placeholder in their place the request would be another one.
fn bare(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return String::new() };
    // A URL that cannot have credentials has none.
    let _without = url.set_password(None).and_then(|()| url.set_username(""));
    url.into()
}

/// One word for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_one_word_whatever_is_in_it() {
        for text in ["", "a b", "it's", r#"$HOME `id` \ "x" !"#, "a\nb", "'''", "\u{e9}"] {
            let script = format!("printf %s {}", quoted(text));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }

    #[test]
    fn credentials_are_left_out() {
        assert_eq!(bare("https://us%40er:word@example.com/x?y=1"), "https://example.com/x?y=1");
        assert_eq!(bare("no URL with a:secret@host"), "");
    }
}
