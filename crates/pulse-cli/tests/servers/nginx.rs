//! nginx: HTTP/1.1 and HTTP/2, TLS, compression, a slow service behind it.

use crate::asks::{
    CHUNKED, CLOSE, GET, HEAD, HTTP_1, HTTP_2, LARGE, MISSING, NONE, POST_DROPPED, assert_answers,
};
use crate::process::{Folder, Server, free_port, installed};
use crate::support::{load, steady};
use std::process::Command;

#[test]
fn nginx() {
    // Where Debian puts it, which is not on every user's path.
    let Some(program) = installed(&["/usr/sbin/nginx".into(), "nginx".into()], "-v") else { return };
    let folder = Folder::new();
    let slow = steady(3);
    let [plain, tls] = [free_port(), free_port()];
    let root = folder.path("");
    let root = root.display();
    let upstream = slow.url();
    let configuration = folder.write(
        "nginx.conf",
        &format!(
            "daemon off; master_process off; pid {root}/pid; error_log stderr notice;
events {{}}
http {{
    access_log off;
    client_body_temp_path {root}/b; proxy_temp_path {root}/p; fastcgi_temp_path {root}/f;
    uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{tls} ssl http2;
        ssl_certificate {root}/certificate.pem;
        ssl_certificate_key {root}/key.pem;
        root {root}/files;
        location = /hello {{ return 200 'hello'; }}
        location = /drop {{ return 200; }}
        location = /none {{ return 204; }}
        location = /chunked {{ ssi on; ssi_types *; }}
        location = /zipped {{ gzip on; gzip_types *; gzip_min_length 1; alias {root}/files/large; }}
        location = /close {{ keepalive_timeout 0; return 200 'hello'; }}
        location = /slow {{ proxy_pass {upstream}; }}
    }}
}}
"
        ),
    );
    // It says so after it has begun to listen.
    let _server = Server::start(Command::new(program).arg("-c").arg(&configuration), "getrlimit");
    let authority = folder.authority();
    let (plain, tls) = (format!("http://127.0.0.1:{plain}"), format!("https://localhost:{tls}"));
    assert_answers(&plain, None, HTTP_1, &[GET, HEAD, POST_DROPPED, NONE, LARGE, CHUNKED, CLOSE, MISSING]);
    assert_answers(&tls, Some(&authority), HTTP_1, &[GET, HEAD, POST_DROPPED, LARGE, CHUNKED, CLOSE]);
    assert_answers(&tls, Some(&authority), HTTP_2, &[GET, HEAD, POST_DROPPED, NONE, LARGE, CHUNKED, MISSING]);

    let flags = ["--users", "4", "-n", "40", "--pace", "0"];
    let report = load(&format!("{plain}/zipped"), &[&flags[..], &["-H", "Accept-Encoding: gzip"]].concat());
    assert_eq!(report["requests"]["successful"], 40, "{report:#}");
    assert!(report["bytes"]["received"].as_u64().unwrap() < 40 * 10_000, "{:#}", report["bytes"]);
    let report = load(&format!("{plain}/slow"), &flags);
    assert_eq!(report["requests"]["successful"], 40, "{report:#}");
    assert!(report["service_time"]["min"].as_f64().unwrap() >= 3.0, "{:#}", report["service_time"]);
}
