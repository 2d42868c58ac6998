//! Builds the library that user-mode Linux is given on processors whose registers it does not know
//! (`src/sys/uml_registers.rs`). `src/launch/registers.rs` takes it into the program.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

const SOURCE: &str = "src/sys/uml_registers.rs";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed=build.rs");
    let set = |name: &str| env::var(name).unwrap_or_default();
    let library = Path::new(&set("OUT_DIR")).join("uml-registers.so");
    let wanted = set("CARGO_CFG_TARGET_ARCH") == "x86_64"
        && set("CARGO_CFG_TARGET_OS") == "linux"
        && set("CARGO_CFG_TARGET_ENV") == "gnu";
    if wanted {
        let mut command = Command::new(set("RUSTC"));
        command
            .args([
                "--crate-name",
                "uml_registers",
                "--crate-type",
                "cdylib",
                "--edition",
                "2024",
            ])
            .args(["--target", &set("TARGET")])
            .args([
                "-C",
                "opt-level=s",
                "-C",
                "panic=abort",
                "-C",
                "strip=symbols",
            ])
            .args(["-C", "link-arg=-nostartfiles", "-C", "link-arg=-lc"])
            .arg("-o")
            .arg(&library)
            .arg(SOURCE);
        let linker = set("RUSTC_LINKER");
        if !linker.is_empty() {
            command.args(["-C", &format!("linker={linker}")]);
        }
        match command.status() {
            Ok(status) if status.success() => return,
            Ok(status) => println!("cargo::warning={SOURCE} was not built ({status}): {WITHOUT}"),
            Err(error) => println!("cargo::warning=rustc did not start ({error}): {WITHOUT}"),
        }
    }
    // Programs without it say so where it is missed.
    if let Err(error) = fs::write(&library, []) {
        println!("cargo::error=cannot write {}: {error}", library.display());
    }
}

const WITHOUT: &str = "user-mode Linux will not start on processors with AMX";
