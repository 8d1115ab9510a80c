//! A server in a process of its own.

use crate::asks::LARGE_BYTES;
use crate::support::Running;
use pulse_testkit::TestAuthority;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Ended with the test.
pub(crate) struct Server(Option<Running>);

impl Server {
    /// Starts a server and waits until it has said that it listens.
    #[track_caller]
    pub(crate) fn start(command: &mut Command, marker: &str) -> Self {
        Self(Some(Running::start_until(command, marker)))
    }

    /// What it has said so far behind the first occurrence of `marker`, up to white space.
    #[track_caller]
    pub(crate) fn said_behind(&self, marker: &str) -> String {
        let said = self.0.as_ref().unwrap().so_far();
        let (_, rest) = said.split_once(marker).unwrap();
        rest.split_whitespace().next().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(running) = self.0.take() {
            running.signal("KILL");
            running.finish();
        }
    }
}

/// The first of these programs that runs; where one must and none does, the test fails.
pub(crate) fn installed(programs: &[PathBuf], version: &str) -> Option<PathBuf> {
    let runs =
        |program: &&PathBuf| Command::new(program).arg(version).output().is_ok_and(|o| o.status.success());
    let found = programs.iter().find(runs);
    if found.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{programs:?} is missing, and CI must have it");
        skipped(&programs[0]);
    }
    found.cloned()
}

#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn skipped(program: &Path) {
    eprintln!("skipped: {} is not installed", program.display());
}

/// What `./test` installs by itself.
pub(crate) fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools")
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A folder with what servers need: files to serve in `files`, a certificate and its key.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path().join("files");
        fs::create_dir(&files).unwrap();
        fs::write(files.join("hello"), "hello").unwrap();
        fs::write(files.join("large"), vec![b'x'; LARGE_BYTES as usize]).unwrap();
        fs::write(files.join("chunked"), vec![b'x'; 5000]).unwrap();
        let authority = TestAuthority::default();
        fs::write(folder.path().join("ca.pem"), authority.ca_pem()).unwrap();
        fs::write(folder.path().join("certificate.pem"), authority.certificate_pem()).unwrap();
        fs::write(folder.path().join("key.pem"), authority.key_pem()).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The authority that signed the certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A file with a program or configuration; returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }
}
