//! placeholder
/// placeholder
pub fn warning(_text: String) {}
/// placeholder
pub fn info(_text: String) {}
