//! Time of multislice, beside the transforms that it is made of and beside other programs.
//!
//! `cargo bench --bench multislice [-- --sizes 128,256,512,1024] [--threads 1,2] [--rounds 7]`: milliseconds per probe and
//! slice, for every instruction-set path of this processor, and loss with all gradients as a multiple of it.
//!
//! `cargo bench --bench multislice -- --case gold [--threads 2] [--scan 64]`: seconds of a scan over a gold particle.
//!
//! With AET_PEER_PYTHON naming a Python that has numpy, pyfftw and abtem, FFTW and abTEM run in turn with the library, so
//! that whatever else the machine does slows all of them. `--clock cpu` counts time of the processor, shared out among the
//! threads, instead of elapsed time: for machines that are never quiet.

mod clock;
mod gold;
mod kernel;
mod peer;
mod rust_fft;

use clock::Clock;
use peer::Peer;

/// What all cases share.
struct Setting {
    clock: Clock,
    rounds: usize,
    peer: Peer,
}

fn numbers(arguments: &mut pico_args::Arguments, flag: &'static str, default: &[usize]) -> Vec<usize> {
    let parse = |text: &str| text.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>();
    let given = arguments.opt_value_from_fn(flag, parse).unwrap_or_else(|e| panic!("{flag}: {e}"));
    given.unwrap_or_else(|| default.to_vec())
}

fn main() {
    let mut arguments = pico_args::Arguments::from_env();
    arguments.contains("--bench"); // cargo adds it
    let case: Option<String> = arguments.opt_value_from_str("--case").expect("--case and its name");
    let clock: Option<String> = arguments.opt_value_from_str("--clock").expect("--clock and its name");
    let clock = match clock.as_deref() {
        None | Some("wall") => Clock::Wall,
        Some("cpu") => Clock::Processor,
        Some(other) => panic!("--clock {other}: wall or cpu"),
    };
    let threads = numbers(&mut arguments, "--threads", if case.is_some() { &[2] } else { &[1, 2] });
    let sizes = numbers(&mut arguments, "--sizes", &[128, 256, 512, 1024]);
    let rounds = numbers(&mut arguments, "--rounds", &[if case.is_some() { 2 } else { 7 }])[0];
    let scan = numbers(&mut arguments, "--scan", &[64])[0];
    let left = arguments.finish();
    assert!(left.is_empty(), "arguments that mean nothing: {left:?}");
    let mut setting = Setting { clock, rounds, peer: Peer::start(clock) };
    match case.as_deref() {
        None => threads.iter().for_each(|threads| kernel::run(&mut setting, &sizes, *threads)),
        Some("gold") => threads.iter().for_each(|threads| gold::run(&mut setting, *threads, scan)),
        Some(other) => panic!("--case {other}: gold, or none for the kernels"),
    }
}
