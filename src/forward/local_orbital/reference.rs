//! Plain twin
