//! Builds the page of `web/` where Node.js is there. Without it the crate builds all the same and has no page, which it
//! says whoever asks for one.
//!
//! `PULSE_WEB=off` does without, `PULSE_WEB=required` fails where it cannot be built.

#![expect(clippy::disallowed_methods, reason = "a build script lives on files and the environment")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the page is made of, beneath `web/`. Tests and tools do not change it.
const SOURCES: [&str; 5] = ["src", "scripts/build.mjs", "package.json", "package-lock.json", "tsconfig.json"];
/// What the page's build leaves.
const PAGES: [&str; 2] = ["page.html", "page.html.gz"];

fn main() {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=PULSE_WEB");
    println!("cargo:rerun-if-env-changed=CI");
    for source in SOURCES {
        println!("cargo:rerun-if-changed={}", web.join(source).display());
    }
    let wish = std::env::var("PULSE_WEB").unwrap_or_default();
    let built = if wish == "off" { Err("PULSE_WEB is off".to_owned()) } else { build(&web, &out) };
    if let Err(reason) = built {
        assert!(wish != "required", "the page cannot be built: {reason}");
        if wish != "off" {
            println!("cargo:warning=without the HTML report and the dashboard's page: {reason}");
        }
        for page in PAGES {
            std::fs::write(out.join(page), "").expect("cargo's output folder can be written to");
        }
    }
}

fn build(web: &Path, out: &Path) -> Result<(), String> {
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let run = |arguments: &[&str]| -> Result<(), String> {
        let output = Command::new(npm).args(arguments).current_dir(web).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("npm cannot be started: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).take(3).collect();
        Err(format!("npm {} failed: {}", arguments.join(" "), said.join("; ")))
    };
    if !web.join("node_modules/vite/package.json").is_file() {
        // No scripts of packages are run: none of those that are used needs one.
        run(&["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--fetch-retries=1"])?;
    }
    run(&["run", "--silent", "build", "--", &out.display().to_string()])
}
