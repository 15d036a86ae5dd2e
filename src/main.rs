//! The program: see `hatif --help`.

use std::process::ExitCode;

/// Much is made in one thread and freed in another, journal entries above all: the C library's allocator locks for it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hatif::cli::main()
}
