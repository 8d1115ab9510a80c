//! Real readers of the formats, for the tests. Where a program is missing the test says that it was skipped; with
//! `CI=true` a missing program is a failure.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs the program, or says why not: the first of `places` that can be started.
fn start(places: &[PathBuf], arguments: &[&Path], install: &str) -> Option<std::process::Child> {
    for place in places {
        let command = Command::new(place)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        match command {
            Ok(child) => return Some(child),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => panic!("{}: {error}", place.display()),
        }
    }
    #[expect(clippy::disallowed_methods, reason = "whether a missing program is a failure")]
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!in_ci, "{} is missing: {install}", places[0].display());
    eprintln!("skipped: {} is missing: {install}", places[0].display());
    None
}

/// Fails when `xmllint` finds the text to break the schema in `schemas/`.
pub(crate) fn xmllint(schema: &str, text: &str) {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas").join(schema);
    read_by_xmllint(&[Path::new("--schema"), &schema], text);
}

/// Fails when `xmllint` cannot read the text as XML.
pub(crate) fn xml(text: &str) {
    read_by_xmllint(&[Path::new("--nonet")], text);
}

fn read_by_xmllint(arguments: &[&Path], text: &str) {
    let arguments = [&[Path::new("--noout")], arguments, &[Path::new("-")]].concat();
    let install = "apt-get install libxml2-utils adds it";
    let Some(mut child) = start(&["xmllint".into()], &arguments, install) else { return };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
}

/// What `pytest-benchmark compare` prints for the files; `None` where it is missing.
pub(crate) fn pytest_benchmark_compare(files: &[(&str, &str)]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let paths = files.iter().map(|(name, text)| {
        let path = folder.path().join(name);
        let mut file = tempfile::NamedTempFile::new_in(folder.path()).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.persist(&path).unwrap();
        path
    });
    let paths: Vec<_> = paths.collect();
    let storage = folder.path().join("storage");
    let mut arguments = vec![Path::new("--storage"), &storage, Path::new("compare")];
    arguments.extend(paths.iter().map(PathBuf::as_path));
    let name = "pytest-benchmark";
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/venv/bin").join(name);
    let install =
        "`python3 -m venv target/tools/venv && target/tools/venv/bin/pip install pytest-benchmark` adds it";
    let child = start(&[name.into(), tools], &arguments, install)?;
    let output = child.wait_with_output().unwrap();
    let [printed, complaints] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success() && !complaints.contains("Failed to load"), "{printed}{complaints}");
    Some(printed)
}

/// Fails when the JSON text breaks the JSON schema.
pub(crate) fn assert_conforms(schema: &str, text: &str) {
    let schema = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let document = serde_json::from_str(text).unwrap();
    let errors: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{text}");
}
