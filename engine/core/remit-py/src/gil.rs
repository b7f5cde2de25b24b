//! How long a question may hold the GIL, and how often one that takes long is begun anew.

/// Steps of a check that are done without letting go of the GIL: some 100 µs. To give it back and take it again costs as
/// much where others want it.
pub const STEPS_WITH_GIL: u64 = 2048;

/// A check without the GIL asks Python whether the caller still waits after so many thousand steps, then four times as
/// many. It begins anew then, and the questions before it in the same request do not: a third more work at worst.
pub const STOPS_AT_FIRST: u32 = 16;

/// So often a question that takes long gives way to a write and begins anew. After that `pinned.py` lets Python answer it,
/// which no write waits for.
pub const GIVES_WAY_MAX: u32 = 8;
