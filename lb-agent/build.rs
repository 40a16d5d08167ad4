//! Finds the BPF objects that the agent carries inside.

use std::{env, path::Path};

/// Variable that names an object, and where it lies below the workspace's root if that is not set.
const OBJECTS: [(&str, &str); 3] = [
    ("LB_BPF_OBJECT", "target/bpf/lb.bpf.o"),
    ("LB_JUMBO_OBJECT", "target/bpf/jumbo.bpf.o"),
    ("LB_DECAP_OBJECT", "target/bpf/decap.bpf.o"),
];

fn main() {
    let here = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    for (variable, usual) in OBJECTS {
        println!("cargo::rerun-if-env-changed={variable}");
        let object = env::var(variable).unwrap_or_else(|_| format!("{here}/../{usual}"));
        println!("cargo::rerun-if-changed={object}");
        if Path::new(&object).is_file() {
            println!("cargo::rustc-env={variable}={object}");
        } else {
            println!(
                "cargo::error=there is no BPF object at {object}: run `cargo xtask build`, which makes it"
            );
        }
    }
}
