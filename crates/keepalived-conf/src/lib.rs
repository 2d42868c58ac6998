//! The keepalived.conf language: lossless parser, keyword schema, typed model and diagnostics
