//! `cliploupe-cli`: everything Cliploupe can do, without a window.
//!
//! Parse, do, print: each command gives a value that is printed as text, or as one JSON document with `--json`. What
//! failed is part of the value, and makes the exit code 1; bad usage makes it 2.

mod args;
mod bench;
mod devices;
mod embed;
mod eval;
mod failure;
mod import;
mod inspect;
mod label;
mod library;
mod models;
mod opened;
mod places;
mod preprocess;
mod search;
mod setup;
mod tag;
mod tokenize;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};
use crate::failure::Failed;

/// What a command has to say, and whether all of it worked.
pub struct Report {
    text: String,
    json: serde_json::Value,
    complete: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(report) => {
            print(&report, args.common.json);
            if report.complete { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(failed) => {
            eprintln!("error: {}", failed.message);
            ExitCode::from(failed.exit_code)
        }
    }
}

fn run(args: &Args) -> Result<Report, Failed> {
    match &args.command {
        Command::Label(command) => label::run(command, &args.common),
        Command::Embed(command) => embed::run(command, &args.common),
        Command::Tokenize(command) => tokenize::run(command, &args.common),
        Command::Preprocess(command) => preprocess::run(command, &args.common),
        Command::Import(command) => import::run(command, &args.common),
        Command::Search(command) => search::run(command, &args.common),
        Command::Tag(command) => tag::run(command, &args.common),
        Command::Eval(command) => eval::run(command, &args.common),
        Command::Library(command) => library::run(command, &args.common),
        Command::Models(command) => models::run(command, &args.common),
        Command::Inspect(command) => inspect::run(command, &args.common),
        Command::Devices(command) => devices::run(command, &args.common),
        Command::Bench(command) => bench::run(command, &args.common),
    }
}

fn print(report: &Report, as_json: bool) {
    use std::io::Write;
    let text = if as_json { format!("{:#}\n", report.json) } else { report.text.clone() };
    // A reader that closed the pipe, such as `head`, has seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
