//! The cookies of a user: no field panics, and whatever was set, the request stays one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pulse_engine::CookieJar;

/// The most cookies, each with its name, its value, `=` and `; `.
const MOST_BYTES: usize = 100 * (4096 + 3) + "Cookie: \r\n".len();

fuzz_target!(|data: &[u8]| fuzz_cookies(data));

/// `Set-Cookie` fields, one a line; the last line is the target of the request.
pub fn fuzz_cookies(data: &[u8]) {
    let mut lines: Vec<&[u8]> = data.split(|&byte| byte == b'\n').collect();
    let target = lines.pop().and_then(|line| std::str::from_utf8(line).ok()).unwrap_or("/");
    let mut jar = CookieJar::default();
    lines.iter().for_each(|field| jar.set(field));
    for secure in [false, true] {
        let mut line = Vec::new();
        jar.write(target, secure, &mut line);
        if line.is_empty() {
            continue;
        }
        assert!(line.len() <= MOST_BYTES, "{} bytes", line.len());
        let cookies = line.strip_prefix(b"Cookie: ").and_then(|line| line.strip_suffix(b"\r\n"));
        let cookies = cookies.expect("one line");
        let plain = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
        assert!(cookies.iter().all(plain), "{}", String::from_utf8_lossy(cookies));
    }
    // Set once more, every cookie replaces itself.
    let written = |jar: &CookieJar| {
        let mut line = Vec::new();
        jar.write("/", true, &mut line);
        line.len()
    };
    if let [field] = lines[..] {
        let once = written(&jar);
        jar.set(field);
        assert_eq!(written(&jar), once);
    }
}
