//! Finds the BPF object that the agent carries inside.

use std::{env, path::Path};

fn main() {
    println!("cargo::rerun-if-env-changed=LB_BPF_OBJECT");
    let here = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let object =
        env::var("LB_BPF_OBJECT").unwrap_or_else(|_| format!("{here}/../target/bpf/lb.bpf.o"));
    println!("cargo::rerun-if-changed={object}");
    if Path::new(&object).is_file() {
        println!("cargo::rustc-env=LB_BPF_OBJECT={object}");
    } else {
        println!(
            "cargo::error=there is no BPF object at {object}: run `cargo xtask build`, which makes it"
        );
    }
}
