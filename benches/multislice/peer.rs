//! Other programs, asked in turn with the library's own work: benches/peers/multislice_bench.py says what they do.

use crate::clock::Clock;
use serde_json::{json, Value};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub struct Peer {
    running: Option<(Child, ChildStdin, BufReader<ChildStdout>)>,
    clock: Clock,
    /// What was already said to be missing.
    told: BTreeSet<String>,
}

impl Peer {
    /// The Python that AET_PEER_PYTHON names; without it there are no peers.
    pub fn start(clock: Clock) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/multislice_bench.py");
        let python = std::env::var("AET_PEER_PYTHON").ok().filter(|python| !python.is_empty());
        if python.is_none() {
            println!("AET_PEER_PYTHON names no Python with numpy, pyfftw and abtem: peers are left out");
        }
        let running = python.map(|python| {
            let child = Command::new(&python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
            let mut child = child.unwrap_or_else(|e| panic!("AET_PEER_PYTHON = {python}: {e}"));
            let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
            (child, input, BufReader::new(output))
        });
        Self { running, clock, told: BTreeSet::new() }
    }

    /// Seconds that the peer needed for `request`; the reason is printed once where it cannot.
    pub fn ask(&mut self, mut request: Value) -> Option<f64> {
        let (_, input, output) = self.running.as_mut()?;
        request["clock"] = json!(self.clock.name());
        let mut line = String::new();
        let outcome = writeln!(input, "{request}").and_then(|()| output.read_line(&mut line));
        let answer: Value = match outcome {
            Ok(count) if count > 0 => {
                serde_json::from_str(&line).unwrap_or_else(|e| json!({"error": format!("{e}: {line}")}))
            }
            _ => json!({"error": "the peer has ended"}),
        };
        let what = request["what"].as_str().unwrap_or_default();
        if let Some(error) = answer["error"].as_str() {
            let message = format!("{what} is left out: {error}");
            if self.told.insert(message.clone()) {
                println!("{message}");
            }
        }
        answer["seconds"].as_f64()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some((mut child, input, _)) = self.running.take() {
            drop(input); // the end of its input is the end of the peer
            let _ = child.wait();
        }
    }
}
