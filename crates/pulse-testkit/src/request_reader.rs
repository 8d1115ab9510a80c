//! Finds the end of a request; just enough HTTP for the test servers.

/// Longest request that a test server takes, in bytes; what is longer would be a test's mistake.
pub(crate) const MAX_REQUEST_BYTES: usize = 64 << 20;

/// The length of the request at the start of `bytes`, once it is complete.
pub(crate) fn request_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let body = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|value| value.trim().parse::<usize>().ok())
        .unwrap_or(0);
    let length = head.checked_add(body)?;
    (bytes.len() >= length).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_end_where_their_length_says() {
        let table: [(&[u8], Option<usize>); 5] = [
            (b"", None),
            (b"GET / HTTP/1.1\r\nHost: a\r\n", None),
            (b"GET / HTTP/1.1\r\n\r\nnext", Some(18)),
            (b"POST / HTTP/1.1\r\nCONTENT-length: 3\r\n\r\nab", None),
            (b"POST / HTTP/1.1\r\nCONTENT-length: 3\r\n\r\nabc+", Some(41)),
        ];
        for (bytes, length) in table {
            assert_eq!(request_length(bytes), length, "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
