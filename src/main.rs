//! The program: see `hatif --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    hatif::cli::main()
}
