//! label-formats
