//! The floating-point state of the thread: rounding, flush-to-zero, denormals-are-zero, trapped exceptions.
//!
//! Hosts change it (MATLAB's math library and `-ffast-math` start-up code switch flush-to-zero on); results of the
//! library must not depend on that. On processors other than x86-64 nothing is changed.

use std::marker::PhantomData;

/// While it lives, its thread computes under IEEE 754 defaults: nearest-even, subnormal numbers kept, nothing trapped.
/// The state found at the start, sticky flags included, comes back when it is dropped.
pub(crate) struct FloatState {
    found: control::Word,
    /// The state belongs to the thread: neither `Send` nor `Sync`.
    thread_bound: PhantomData<*mut ()>,
}

impl FloatState {
    /// Saves the state of this thread and sets the IEEE 754 defaults.
    pub(crate) fn standard() -> Self {
        let found = control::read();
        control::write(control::STANDARD);
        FloatState { found, thread_bound: PhantomData }
    }

    /// Runs `foreign`, a callback of the host, under the state that was found at the start.
    pub(crate) fn suspended<R>(&self, foreign: impl FnOnce() -> R) -> R {
        struct Resume;
        impl Drop for Resume {
            fn drop(&mut self) {
                control::write(control::STANDARD);
            }
        }
        control::write(self.found);
        let _resume = Resume;
        foreign()
    }
}

impl Drop for FloatState {
    fn drop(&mut self) {
        control::write(self.found);
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) mod control {
    //! The MXCSR register: control and status of all SSE and AVX arithmetic.
    use std::arch::asm;

    pub(crate) type Word = u32;
    /// All exceptions masked, round to nearest, no flush-to-zero, no denormals-are-zero.
    pub(crate) const STANDARD: Word = 0x1f80;

    pub(crate) fn read() -> Word {
        let mut word: Word = 0;
        // SAFETY: stmxcsr stores 32 bits at the given address, which is a local of that size; no flags change.
        unsafe { asm!("stmxcsr [{}]", in(reg) &mut word, options(nostack, preserves_flags)) };
        word
    }

    pub(crate) fn write(word: Word) {
        // SAFETY: ldmxcsr reads 32 bits at the given address. `word` is STANDARD, which is the state that compiled
        // Rust code assumes, or a value read from the register before, with which the host's code is resumed.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &word, options(nostack, preserves_flags, readonly)) };
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) mod control {
    //! Stub: this processor's state is left alone.
    pub(crate) type Word = ();
    pub(crate) const STANDARD: Word = ();

    pub(crate) fn read() -> Word {}

    pub(crate) fn write(_word: Word) {}
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::{control, FloatState};
    use std::hint::black_box;

    /// Flush-to-zero and denormals-are-zero.
    const FLUSH: u32 = 0x8040;
    /// Sticky exception flags, which arithmetic between the reads may raise.
    const FLAGS: u32 = 0x3f;

    #[test]
    fn the_state_of_the_host_is_hidden_and_restored() {
        let before = control::read();
        control::write(before | FLUSH);
        let state = FloatState::standard();
        let subnormal = black_box(f64::MIN_POSITIVE) * black_box(0.5);
        let inside = control::read();
        let in_callback = state.suspended(control::read);
        let resumed = control::read();
        drop(state);
        let after = control::read();
        control::write(before);

        assert!(subnormal > 0.0, "subnormal numbers were flushed inside");
        assert_eq!(inside & !FLAGS, control::STANDARD);
        assert_eq!(in_callback, before | FLUSH);
        assert_eq!(resumed & !FLAGS, control::STANDARD);
        assert_eq!(after, before | FLUSH);
    }
}
