//! Steps with their results, and the table that closes a run.

use std::time::Instant;

/// How a step ended.
pub enum Outcome {
    /// It did what it should; a word about it, or nothing.
    Passed(String),
    /// It did not, and why.
    Failed(String),
    /// It was not run, and why.
    Skipped(String),
}

impl From<Result<(), String>> for Outcome {
    fn from(result: Result<(), String>) -> Self {
        match result {
            Ok(()) => Outcome::Passed(String::new()),
            Err(reason) => Outcome::Failed(reason),
        }
    }
}

struct Step {
    name: String,
    outcome: Outcome,
    seconds: f64,
}

/// All steps so far.
#[derive(Default)]
pub struct Report {
    steps: Vec<Step>,
}

impl Report {
    /// Runs one step under a heading and notes how it ended and how long it took.
    pub fn step(&mut self, name: &str, work: impl FnOnce() -> Outcome) {
        println!("\n==== {name}");
        let start = Instant::now();
        let outcome = work();
        let seconds = start.elapsed().as_secs_f64();
        if let Outcome::Failed(reason) | Outcome::Skipped(reason) = &outcome {
            println!("{reason}");
        }
        self.steps.push(Step { name: name.into(), outcome, seconds });
    }

    fn count(&self, wanted: fn(&Outcome) -> bool) -> usize {
        self.steps.iter().filter(|s| wanted(&s.outcome)).count()
    }

    /// The table, and as its last line `N passed, N failed, N skipped`; an error if any step failed.
    pub fn finish(self) -> Result<(), String> {
        let width = self.steps.iter().map(|s| s.name.len()).max().unwrap_or(0).max(4);
        println!("\n{:width$}  {:7}  {:>7}  note", "step", "result", "seconds");
        for Step { name, outcome, seconds } in &self.steps {
            let (word, note) = match outcome {
                Outcome::Passed(note) => ("passed", note),
                Outcome::Failed(note) => ("FAILED", note),
                Outcome::Skipped(note) => ("skipped", note),
            };
            println!("{name:width$}  {word:7}  {seconds:7.1}  {}", note.lines().next().unwrap_or_default());
        }
        let passed = self.count(|o| matches!(o, Outcome::Passed(_)));
        let failed = self.count(|o| matches!(o, Outcome::Failed(_)));
        let skipped = self.count(|o| matches!(o, Outcome::Skipped(_)));
        println!("\n{passed} passed, {failed} failed, {skipped} skipped");
        if failed > 0 {
            // The line above is the last word; the exit code tells the rest.
            std::process::exit(1);
        }
        Ok(())
    }
}
