//! The program `pulse`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(pulse_cli::main_with(std::env::args_os()))
}
