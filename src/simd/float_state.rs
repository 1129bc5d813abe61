//! The floating-point state of a thread. Hosts change it (MATLAB and some compilers switch flush-to-zero on), which
//! would change results; entries of the C ABI and worker threads set the standard state.

/// While it lives the thread rounds to nearest, keeps denormal numbers and masks exceptions; then the former state
/// comes back. Does nothing on processors other than x86-64.
pub struct FloatState {
    #[cfg(target_arch = "x86_64")]
    former: u32,
    /// The state belongs to a thread: not Send.
    _thread: std::marker::PhantomData<*const ()>,
}

#[cfg(target_arch = "x86_64")]
const STANDARD: u32 = 0x1f80;

#[cfg(target_arch = "x86_64")]
fn load(state: u32) {
    // SAFETY: ldmxcsr reads 4 bytes from a valid reference; every state passed here was read by `store` or is the
    // documented power-on value, so no reserved bit is set.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &state, options(nostack, readonly)) }
}

#[cfg(target_arch = "x86_64")]
fn store() -> u32 {
    let mut state = 0u32;
    // SAFETY: stmxcsr writes 4 bytes to a valid exclusive reference.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &mut state, options(nostack)) }
    state
}

impl FloatState {
    /// Sets the standard state.
    pub fn standard() -> Self {
        #[cfg(target_arch = "x86_64")]
        let former = store();
        #[cfg(target_arch = "x86_64")]
        load(STANDARD);
        Self {
            #[cfg(target_arch = "x86_64")]
            former,
            _thread: std::marker::PhantomData,
        }
    }
}

impl Drop for FloatState {
    fn drop(&mut self) {
        #[cfg(target_arch = "x86_64")]
        load(self.former);
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn flush_to_zero_is_off_inside_and_back_outside() {
        let former = store();
        load(STANDARD | 0x8040);
        {
            let _standard = FloatState::standard();
            assert_eq!(store() & 0xffc0, STANDARD);
            let denormal = std::hint::black_box(f64::MIN_POSITIVE) / 4.0;
            assert!(std::hint::black_box(denormal) > 0.0);
        }
        assert_eq!(store() & 0x8040, 0x8040);
        load(former);
    }
}
