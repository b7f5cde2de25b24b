//! Asking memory for what will be needed soon, so that several things are on their way at once.
//!
//! A check of a large store waits for memory more than it computes: a name, an object, a node, a list, each of which tells
//! where the next one lies. What two chains of those need can be fetched side by side, and what fifty need even more so.
//! (A random document of a million relationships: 3,043-3,195 ns a check before, 2,256-2,558 since, alternating; transparent
//! huge pages were tried too, and won nothing that could be told from noise.)
//! Law: nothing is read and nothing changes; only time is won or lost.

/// Let the processor fetch the first cache line of a thing. Cost: an instruction; nothing waits for it.
#[inline(always)]
pub fn fetch<T: ?Sized>(thing: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 has the instruction, and it reads nothing that could be seen; the address is a reference's.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(thing).cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = thing; // there is no such instruction in stable Rust
}
