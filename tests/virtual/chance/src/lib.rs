//! Takes the place of libc's `getrandom`, so that everything that a process draws by chance follows from a seed: the order of
//! hash maps, which branch of a `select!` is looked at first, jitter, ids.
//!
//! For a program of tests with one thread, which calls [`begin`]. Never for anything that needs a secret.

use std::sync::atomic::{AtomicU64, Ordering};

static STATE: AtomicU64 = AtomicU64::new(0);

/// Everything that is drawn from now on follows from this seed. What was drawn before does not depend on it.
pub fn begin(seed: u64) {
    // Named, lest the linker leave it out and take libc's.
    let _kept: unsafe extern "C" fn(*mut u8, usize, u32) -> isize = getrandom;
    STATE.store(seed, Ordering::Relaxed);
}

/// As getrandom(2), which never fails here.
///
/// # Safety
/// `buffer` must be valid for writes of `length` bytes.
#[expect(unsafe_code, reason = "this is how a function of libc is replaced")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    for offset in 0..length {
        // SAFETY: the caller promises that so many bytes may be written there.
        unsafe { buffer.add(offset).write(byte()) };
    }
    isize::try_from(length).unwrap_or(isize::MAX)
}

/// SplitMix64.
fn byte() -> u8 {
    let state = STATE.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
    let mut mixed = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)).to_le_bytes()[0]
}
