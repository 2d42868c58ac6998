//! From text to statements: lines, words, braces, and the lossless tree of one file.

pub(crate) mod lexer;
pub(crate) mod statement;
