//! Compiles the recorder that is loaded into other programs.

fn main() {
    println!("cargo::rerun-if-changed=recorder/recorder.c");
    #[cfg(feature = "optimizer")]
    recorder();
}

/// Only Linux loads it; elsewhere the program says so.
#[cfg(feature = "optimizer")]
fn recorder() {
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    let Some(folder) = std::env::var_os("OUT_DIR") else {
        return;
    };
    let compiler = cc::Build::new().opt_level(2).debug(false).pic(true).get_compiler();
    let mut command = compiler.to_command();
    command.args(["-shared", "-fPIC", "-nostdlib", "-fvisibility=hidden", "-Wall", "-Wextra"]);
    command.arg("recorder/recorder.c").arg("-o").arg(std::path::Path::new(&folder).join("recorder.so"));
    // What some processors need for atomic counters, in case the compiler does not write it out.
    command.arg("-lgcc");
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("the recorder does not compile: {status}"),
        Err(error) => panic!("no C compiler, which SQLite needs, too: {error}"),
    }
}
