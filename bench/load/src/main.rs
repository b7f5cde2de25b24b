//! A load generator for unary gRPC calls: the same requests over and over, checked answers, one JSON object at the end.
//!
//! It speaks just enough HTTP/2 to be cheaper than any server: headers are encoded once, answers are counted by their
//! frames, and one look at the clock serves all answers of a read. It tells the processor time it took itself: while that
//! is well below the time that passed, it was not what held the server back.
//! Law: an answer that is not the expected one is never counted as an answer.

mod frames;
mod options;
mod session;
mod tally;

use std::process::ExitCode;
use std::time::Instant;

use options::Options;
use session::ask;
use tally::Tally;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no event loop: {error}");
            return ExitCode::from(2);
        }
    };
    match runtime.block_on(run(options)) {
        Ok(tally) => {
            println!("{}", tally.json());
            ExitCode::from(u8::from(!tally.is_clean()))
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(2)
        }
    }
}

/// All connections side by side; what they counted, together.
async fn run(options: Options) -> Result<Tally, String> {
    let options = std::sync::Arc::new(options);
    let began = Instant::now();
    let sessions: Vec<_> =
        (0..options.connections).map(|number| tokio::spawn(ask(options.clone(), number, began))).collect();
    let mut tally = Tally::new(&options);
    for session in sessions {
        tally.add(&session.await.map_err(|error| error.to_string())??);
    }
    tally.end();
    Ok(tally)
}
