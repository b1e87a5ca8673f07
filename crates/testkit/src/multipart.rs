//! Creates multipart bodies (`multipart/form-data`) for uploads to the API.

const BOUNDARY: &str = "pixaven-testkit-c0d2f5a1";

/// The header `Content-Type` of every body that this module creates.
pub const CONTENT_TYPE: &str = "multipart/form-data; boundary=pixaven-testkit-c0d2f5a1";

/// Creates the body of an upload request: the part `file` with an image, then the part `data` with the JSON
/// of the request.
pub fn upload(file_name: &str, file: &[u8], json: &str) -> Vec<u8> {
    let mut body = file_part(file_name, file);
    let data = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\n{json}\r\n");
    body.extend_from_slice(data.as_bytes());
    end(body)
}

/// Creates a body that contains only the part `file`.
pub fn file_only(file_name: &str, file: &[u8]) -> Vec<u8> {
    end(file_part(file_name, file))
}

fn file_part(file_name: &str, file: &[u8]) -> Vec<u8> {
    let head = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"");
    [format!("--{BOUNDARY}\r\n{head}\r\n\r\n").as_bytes(), file, b"\r\n"].concat()
}

fn end(mut body: Vec<u8>) -> Vec<u8> {
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_multipart_upload_body_has_a_file_part_and_a_data_part() {
        let body = String::from_utf8(upload("a.jpg", b"JPEG", "{}")).unwrap();
        let expected = [
            "--pixaven-testkit-c0d2f5a1",
            "Content-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"",
            "",
            "JPEG",
            "--pixaven-testkit-c0d2f5a1",
            "Content-Disposition: form-data; name=\"data\"",
            "",
            "{}",
            "--pixaven-testkit-c0d2f5a1--",
            "",
        ];
        assert_eq!(body, expected.join("\r\n"));
        assert!(CONTENT_TYPE.ends_with(BOUNDARY));
    }
}
