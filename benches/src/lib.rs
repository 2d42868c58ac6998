//! Benchmarks of the hot paths; run them with `cargo bench -p benches`.
