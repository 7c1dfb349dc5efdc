//! language-api
