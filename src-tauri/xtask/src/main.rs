//! The chores: `cargo xtask run` opens the app from a clean checkout, `cargo xtask test` runs every check.
//!
//! No dependencies, so that it is built in a second on a machine that has only Rust.

mod packages;
mod steps;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask run [PHOTO…]   install what is missing, build the app, open its window
       cargo xtask test          install what the tests need, run every check
       cargo xtask gen           write ui/src/ipc/bindings.ts from the Rust types";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.first().map(String::as_str) {
        Some("run") => steps::run(&args[1..]),
        Some("test") => steps::test(),
        Some("gen") => steps::generate(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(1)
        }
    }
}
