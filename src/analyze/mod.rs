//! What volumes and models say: resolution.
